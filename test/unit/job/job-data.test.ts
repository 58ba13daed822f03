import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  defineJob,
  encodeInput,
  encodeResult,
  InvalidInputError,
  InvalidResultError,
  NotJsonError,
  parseInput,
  TooLargeError,
} from '../../../src/job/index.js'

const resize = defineJob({
  name: 'image.resize',
  queue: 'media',
  input: z.object({ url: z.string(), width: z.string().transform(Number).default(800) }),
  output: z.object({ bytes: z.string().transform(Number) }),
  maxInputBytes: 100,
  maxResultBytes: 40,
})
const plain = defineJob({ name: 'plain', queue: 'media', input: z.unknown() })
const slow = defineJob({
  name: 'slow',
  queue: 'media',
  input: z.object({ id: z.string().refine(async (id) => id !== 'taken') }),
  output: z.number().refine(async (result) => result > 0),
})

describe('encodeInput', () => {
  it('stores the input as given, not as the schema parsed it', () => {
    expect(encodeInput(resize, { url: 'a', width: '5' })).toBe('{"url":"a","width":"5"}')
    expect(encodeInput(resize, { url: 'a' })).toBe('{"url":"a"}')
  })

  it('refuses what fails the schema, what is not JSON and what is too large', () => {
    expect(() => encodeInput(resize, { url: 5 })).toThrow(InvalidInputError)
    expect(() => encodeInput(resize, { url: 'a', more: 1n })).toThrow(NotJsonError)
    expect(() => encodeInput(resize, { url: 'a'.repeat(100) })).toThrow(TooLargeError)
    expect(() => encodeInput(plain, undefined)).toThrow(NotJsonError)
  })

  it('shows the schema what the worker will see: a date is its text', () => {
    const dated = (schema: z.ZodType) => defineJob({ name: 'dated', queue: 'media', input: z.object({ at: schema }) })
    const input = { at: new Date(0) }
    expect(() => encodeInput(dated(z.date()), input)).toThrow(InvalidInputError)
    expect(encodeInput(dated(z.coerce.date()), input)).toBe('{"at":"1970-01-01T00:00:00.000Z"}')
  })

  it('rejects with the same errors where the schema needs time', async () => {
    await expect(encodeInput(slow, { id: 'free' })).resolves.toBe('{"id":"free"}')
    await expect(encodeInput(slow, { id: 'taken' })).rejects.toThrow(InvalidInputError)
  })
})

describe('parseInput', () => {
  it('gives the handler defaults and transforms', () => {
    expect(parseInput(resize, { url: 'a', width: '5' })).toEqual({ url: 'a', width: 5 })
    expect(parseInput(resize, { url: 'a' })).toEqual({ url: 'a', width: 800 })
  })

  it('refuses a stored input that no longer fits', async () => {
    expect(() => parseInput(resize, {})).toThrow(
      expect.objectContaining({ job: 'image.resize', code: 'INVALID_INPUT' }),
    )
    await expect(parseInput(slow, { id: 'taken' })).rejects.toThrow(InvalidInputError)
  })
})

describe('encodeResult', () => {
  it('stores what the output schema makes of the result', async () => {
    expect(encodeResult(resize, { bytes: '12' })).toBe('{"bytes":12}')
    await expect(encodeResult(slow, 1)).resolves.toBe('1')
  })

  it('stores any JSON where there is no output schema, and null for nothing', () => {
    expect(encodeResult(plain, [1])).toBe('[1]')
    expect(encodeResult(plain, undefined)).toBe('null')
  })

  it('refuses what fails the schema, what is not JSON and what is too large', async () => {
    expect(() => encodeResult(resize, { bytes: 12 })).toThrow(InvalidResultError)
    await expect(encodeResult(slow, -1)).rejects.toThrow(InvalidResultError)
    expect(() => encodeResult(resize, { bytes: 'many' })).toThrow(NotJsonError)
    expect(() => encodeResult(resize, { bytes: '1', more: 1 })).not.toThrow()
    for (const result of [1n, Number.NaN, () => 1, new Map(), Promise.resolve(1)]) {
      expect(() => encodeResult(plain, result)).toThrow(expect.objectContaining({ code: 'NOT_JSON', of: 'result' }))
    }
    expect(() => encodeResult(plain, 'x'.repeat(10_000_000))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE', what: 'result', maxBytes: 1_048_576 }),
    )
  })
})
