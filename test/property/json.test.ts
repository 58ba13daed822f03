// encodeJson and decodeJson on random values: whatever is accepted comes back as it was, everything else is a NotJsonError
// or a TooLargeError, and nothing is changed on the way.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeJson, encodeJson, NotJsonError, TooLargeError } from '../../src/job/index.js'
import { anyText, settings } from './runs.js'

const limits = { maxBytes: 262_144, what: 'input' } as const

const wellFormed = (text: string) => Buffer.from(text, 'utf8').toString('utf8') === text
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    anyText.filter(wellFormed),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(
      anyText.filter((key) => wellFormed(key) && key !== '__proto__'),
      tie('value'),
      { maxKeys: 6, noNullPrototype: false },
    ),
  ),
})).value

// Whatever JavaScript has, mixed with what JSON has.
const anything = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withObjectString: true,
    withNullPrototype: true,
    maxDepth: 4,
  }),
  fc.anything({ key: anyText, values: [anyText, fc.double(), fc.func(fc.integer()), fc.constant(Symbol('s'))] }),
)

/** True when reading the JSON back would give another value than the one that was given, and no toJSON asked for it. */
function isChanged(before: unknown, after: unknown): boolean {
  if (typeof before !== 'object' || before === null)
    return !(before === after || (Object.is(before, -0) && after === 0))
  if ('toJSON' in before && typeof before.toJSON === 'function') return false
  if (typeof after !== 'object' || after === null || Array.isArray(before) !== Array.isArray(after)) return true
  const kept = Object.keys(before).filter((key) => (before as Record<string, unknown>)[key] !== undefined)
  if (kept.length !== Object.keys(after).length) return true
  return kept.some((key) => !Object.hasOwn(after, key) || isChanged((before as never)[key], (after as never)[key]))
}

it('JSON comes back from its text as it went in', () => {
  const property = fc.property(json, (value) => {
    const text = encodeJson(value, limits)
    expect(text).toBe(JSON.stringify(value))
    expect(isChanged(value, decodeJson(text))).toBe(false)
  })
  fc.assert(property, settings(1_000))
})

it('any value is either kept unchanged or refused with a typed error, and Object.prototype stays as it is', () => {
  const before = Object.getOwnPropertyNames(Object.prototype).sort()
  const counts = { kept: 0, refused: 0 }
  const property = fc.property(anything, (value) => {
    let text: string
    try {
      text = encodeJson(value, limits)
    } catch (error) {
      expect(error instanceof NotJsonError || error instanceof TooLargeError, String(error)).toBe(true)
      counts.refused++
      return
    }
    expect(isChanged(value, decodeJson(text))).toBe(false)
    counts.kept++
  })
  fc.assert(property, settings(1_000))
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(before)
  expect(Math.min(counts.kept, counts.refused)).toBeGreaterThan(0)
})

it('any text is read as JSON.parse reads it or refused with NotJsonError, whose message has none of the text', () => {
  const marked = fc
    .oneof(
      anyText,
      json.map((value) => JSON.stringify(value)),
      fc.json(),
    )
    .map((text) => `${text}`)
  const property = fc.property(marked, fc.constantFrom('', 'c4nary-', '"c4nary-'), (text, mark) => {
    const given = mark + text
    try {
      const value = decodeJson(given)
      expect(value).toEqual(JSON.parse(given))
      expect(JSON.stringify(value)).not.toContain('"__proto__":')
    } catch (error) {
      expect(error).toBeInstanceOf(NotJsonError)
      expect((error as Error).message).not.toContain('c4nary')
      expect((error as Error).cause).toBeUndefined()
    }
  })
  fc.assert(property, settings(1_000))
})

it('the limit is on UTF-8 bytes, to the byte', () => {
  const property = fc.property(json, (value) => {
    const bytes = Buffer.byteLength(JSON.stringify(value))
    expect(encodeJson(value, { maxBytes: bytes, what: 'input' })).toBe(JSON.stringify(value))
    expect(() => encodeJson(value, { maxBytes: bytes - 1, what: 'input' })).toThrow(TooLargeError)
  })
  fc.assert(property, settings(1_000))
})
