import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { decodeJson, encodeJson, encodeJsonNoting, NotJsonError, TooLargeError } from '../../../src/job/index.js'

const options = { maxBytes: 262_144, what: 'input' } as const

function fault(value: unknown): string {
  try {
    encodeJson(value, options)
  } catch (error) {
    if (error instanceof NotJsonError) return `${error.path} is ${error.what}`
    throw error
  }
  return 'accepted'
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

describe('encodeJson', () => {
  it.each([
    ['a string', 'Zoë 🐑'],
    ['an empty string', ''],
    ['a number', -1.5e-7],
    ['zero', 0],
    ['true', true],
    ['null', null],
    ['an empty array', []],
    ['an empty object', {}],
    ['nested data', { items: [{ sku: 'a', price: 1.5, tags: ['x'], note: null }], total: 1 }],
    ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
    ['an object of another realm', runInNewContext('({ a: [1] })')],
    ['a key named constructor', { constructor: { prototype: { admin: true } } }],
    ['keys that a hash could mistake', { 'a|b': 1, '': 2, 'x.y': 3 }],
  ])('writes %s as JSON.stringify does', (_title, value) => {
    expect(encodeJson(value, options)).toBe(JSON.stringify(value))
  })

  it('leaves out object properties that are undefined', () => {
    expect(encodeJson({ a: 1, b: undefined }, options)).toBe('{"a":1}')
  })

  it('follows toJSON of dates, urls, buffers and own objects', () => {
    const value = {
      at: new Date(0),
      url: new URL('https://a.example/b'),
      bytes: Buffer.from('hi'),
      own: { toJSON: (key: string) => ({ key }) },
    }
    expect(encodeJson(value, options)).toBe(JSON.stringify(value))
  })

  it('says whether the text stands for another value than the one given', () => {
    expect(encodeJsonNoting({ at: 'today' }, options).converted).toBe(false)
    expect(encodeJsonNoting({ at: new Date(0) }, options)).toEqual({
      text: '{"at":"1970-01-01T00:00:00.000Z"}',
      converted: true,
    })
  })

  it('stores an undefined result as null and refuses an undefined input', () => {
    expect(encodeJson(undefined, { maxBytes: 10, what: 'result' })).toBe('null')
    expect(fault(undefined)).toBe('$ is undefined')
  })

  it.each<[string, unknown, string]>([
    ['a function', { a: () => 1 }, '$.a is a function'],
    ['a symbol', { a: Symbol('x') }, '$.a is a symbol'],
    ['a BigInt', { a: [1n] }, '$.a[0] is a BigInt'],
    ['NaN', { items: [1, { price: Number.NaN }] }, '$.items[1].price is NaN'],
    ['Infinity', Number.POSITIVE_INFINITY, '$ is Infinity'],
    ['-Infinity', [Number.NEGATIVE_INFINITY], '$[0] is -Infinity'],
    ['undefined in an array', { list: [1, undefined] }, '$.list[1] is undefined'],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what this row is about
    ['a hole in an array', [1, , 3], '$[1] is undefined'],
    ['a Map', { m: new Map() }, '$.m is a Map'],
    ['a Set', new Set([1]), '$ is a Set'],
    ['a regular expression', { r: /x/ }, '$.r is a RegExp'],
    ['typed bytes', { b: new Uint8Array(2) }, '$.b is a Uint8Array'],
    ['a promise', { p: Promise.resolve(1) }, '$.p is a Promise'],
    ['an error', { e: new Error('x') }, '$.e is an Error'],
    ['a boxed number', { n: Object(5) }, '$.n is a Number'],
    ['an object of a class', { u: new (class User {})() }, '$.u is a User'],
    ['an object that inherits data', Object.create({ a: 1 }), '$ is an object'],
    ['an invalid date', { at: new Date(Number.NaN) }, '$.at is an invalid Date'],
    ['a lone surrogate', { s: ['ok', 'x\uD800'] }, '$.s[1] is a string with a lone surrogate'],
    ['a key with a lone surrogate', { k: { '\uDC00': 1 } }, '$.k is an object with a key that has a lone surrogate'],
    ['an own __proto__ key', { a: JSON.parse('{"__proto__":{"admin":true}}') }, '$.a.__proto__ is a __proto__ key'],
    ['a key that is no identifier', { 'a b': { 'c"d': Number.NaN } }, '$["a b"]["c\\"d"] is NaN'],
    ['a toJSON that answers NaN', { t: { toJSON: () => Number.NaN } }, '$.t is NaN'],
    ['a toJSON that answers undefined', { t: { toJSON: () => undefined } }, '$.t is undefined'],
    ['a toJSON that hides a function', { t: { toJSON: () => ({ f: () => 1 }) } }, '$.t.f is a function'],
  ])('refuses %s and names where it is', (_title, value, expected) => {
    expect(fault(value)).toBe(expected)
  })

  it('refuses a getter and a toJSON that throw, with what they threw as cause', () => {
    const thrown = new Error('boom')
    const boom = () => {
      throw thrown
    }
    const getter = Object.defineProperty({}, 'b', { enumerable: true, get: boom })
    for (const [value, expected] of [
      [{ a: getter }, '$.a.b is a getter that throws'],
      [{ a: { toJSON: boom } }, '$.a is an object whose toJSON throws'],
      [{ a: new Proxy({}, { ownKeys: boom }) }, '$.a is an object that throws when it is read'],
    ] as const) {
      expect(fault(value)).toBe(expected)
      expect(() => encodeJson(value, options)).toThrow(expect.objectContaining({ cause: thrown }))
    }
  })

  it('refuses a value that is another one when it is read again', () => {
    let reads = 0
    const value = { toJSON: () => (reads++ === 0 ? 1 : undefined) }
    expect(fault(value)).toBe('$ is a value that changed while it was read')
  })

  it('refuses cycles and names where the circle closes', () => {
    const self: Record<string, unknown> = {}
    self.self = self
    expect(fault(self)).toBe('$.self is a cycle')
    const list: unknown[] = [1]
    list.push({ back: list })
    expect(fault({ list })).toBe('$.list[1].back is a cycle')
  })

  it('accepts 64 levels and the same object twice, and refuses 65 levels and 10,000', () => {
    const shared = { a: 1 }
    expect(encodeJson([shared, shared], options)).toBe('[{"a":1},{"a":1}]')
    expect(fault(nested(64))).toBe('accepted')
    expect(fault(nested(65))).toContain('nested deeper than 64 levels')
    expect(fault(nested(10_000))).toContain('nested deeper than 64 levels')
  })

  it('ends over an object whose toJSON never ends', () => {
    const endless = () => ({ next: { toJSON: endless } })
    expect(fault(endless())).toContain('nested deeper than 64 levels')
  })

  it('counts the limit in bytes of UTF-8, to the byte', () => {
    const value = { name: 'ëëë🐑' }
    const bytes = Buffer.byteLength(JSON.stringify(value))
    expect(encodeJson(value, { maxBytes: bytes, what: 'result' })).toBe(JSON.stringify(value))
    expect(() => encodeJson(value, { maxBytes: bytes - 1, what: 'result' })).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE', what: 'result', bytes, maxBytes: bytes - 1 }),
    )
  })

  const sized: [unknown][] = [
    ['x'],
    ['é🐑\n"'],
    [12],
    [true],
    [null],
    [[]],
    [{}],
    [[1]],
    [{ a: 1 }],
    [{ a: [true, null, ''], b: undefined }],
    [new Date(0)],
    [{ at: [new Date(0)] }],
    [{ u: new URL('https://a.example') }],
    [{ toJSON: () => ({ a: 1 }) }],
  ]
  it.each(sized)('accepts %j at exactly the size of its text', (value) => {
    const text = JSON.stringify(value)
    expect(encodeJson(value, { maxBytes: Buffer.byteLength(text), what: 'input' })).toBe(text)
    expect(() => encodeJson(value, { maxBytes: Buffer.byteLength(text) - 1, what: 'input' })).toThrow(TooLargeError)
  })

  it('gives up early on a value that repeats itself past all measure', () => {
    for (const leaf of ['x', 1, true, null, []]) {
      let value: unknown = leaf
      for (let level = 0; level < 60; level++) value = [value, value]
      expect(() => encodeJson(value, options)).toThrow(TooLargeError)
    }
  })

  it('keeps the value out of its messages', () => {
    const secret = 'tr0ub4dor'
    expect(() => encodeJson({ a: `${secret}\uD800` }, options)).not.toThrow(secret)
    expect(() => encodeJson(secret.repeat(99), { maxBytes: 9, what: 'input' })).not.toThrow(secret)
  })
})

describe('decodeJson', () => {
  it.each(['"x"', '1', 'null', '{"a":[1,{"b":null}]}', '{"text":"about __proto__"}', '"\\u00e9"'])(
    'reads %s',
    (text) => {
      expect(decodeJson(text)).toEqual(JSON.parse(text))
    },
  )

  it.each([
    ['{"__proto__":{"admin":true}}', '$.__proto__'],
    ['{"a":[{"b":{"__proto__":1}}]}', '$.a[0].b.__proto__'],
    ['{"\\u005f_proto__":1}', '$.__proto__'],
    ['{"_\\u005Fp\\u0072oto__":null}', '$.__proto__'],
  ])('refuses the own __proto__ key of %s', (text, path) => {
    expect(() => decodeJson(text)).toThrow(expect.objectContaining({ code: 'NOT_JSON', path, what: 'a __proto__ key' }))
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  it('refuses text that is not JSON without quoting it', () => {
    for (const text of ['', '{', 'tr0ub4dor', '{"a":tr0ub4dor}', 'NaN']) {
      const error = caught(() => decodeJson(text))
      expect(error).toMatchObject({ code: 'NOT_JSON', path: '$' })
      expect(error.cause).toBeUndefined()
      expect(error.message).not.toContain('tr0ub4dor')
    }
  })

  it('looks through deep text without overflowing the stack', () => {
    const text = `${'['.repeat(5000)}"__proto__"${']'.repeat(5000)}`
    expect(decodeJson(text)).toHaveLength(1)
  })
})

function caught(call: () => unknown): Error {
  try {
    call()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('expected an error')
}

it('a text that is not JSON is told with the place of what does not fit, counted from 1', () => {
  expect(() => decodeJson('{x')).toThrow(/at character 2\b/)
})
