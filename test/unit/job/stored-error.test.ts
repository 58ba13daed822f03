import { describe, expect, it } from 'vitest'
import { encodeJson, PermanentError, serializeError } from '../../../src/job/index.js'

const throws = () => {
  throw new Error('getter')
}

describe('serializeError', () => {
  it('keeps name, message, code and stack of an error', () => {
    const error = Object.assign(new TypeError('no such host'), { code: 'ENOTFOUND' })
    expect(serializeError(error)).toEqual({
      name: 'TypeError',
      message: 'no such host',
      code: 'ENOTFOUND',
      stack: error.stack,
    })
    expect(serializeError(new PermanentError('gone'))).toMatchObject({ name: 'PermanentError', code: 'PERMANENT' })
  })

  it.each<[string, unknown, string]>([
    ['a string', 'went wrong', 'went wrong'],
    ['an empty string', '', ''],
    ['null', null, 'null'],
    ['undefined', undefined, 'undefined'],
    ['a number', 5, '5'],
    ['a BigInt', 5n, 'a BigInt'],
    ['a symbol', Symbol('x'), 'a symbol'],
    ['a function', throws, 'a function'],
    ['an object', { secret: 'tr0ub4dor' }, 'an object'],
    ['an array', [1, 2], 'an array of 2'],
    ['a proxy that refuses everything', new Proxy({}, { get: throws, getPrototypeOf: throws }), 'an object'],
  ])('describes %s that was thrown', (_title, thrown, message) => {
    expect(serializeError(thrown)).toEqual({ name: 'NonError', message })
  })

  it('reads frozen errors, look-alikes and numeric codes', () => {
    expect(serializeError(Object.freeze(new Error('cold')))).toMatchObject({ name: 'Error', message: 'cold' })
    expect(serializeError({ name: 'Foreign', message: 'from afar', code: 7 })).toEqual({
      name: 'Foreign',
      message: 'from afar',
      code: '7',
    })
  })

  it('leaves out causes and own properties, also cyclic ones', () => {
    const error = new Error('loop', { cause: 'tr0ub4dor' })
    Object.assign(error, { self: error, password: 'tr0ub4dor' })
    expect(Object.keys(serializeError(error))).toEqual(['name', 'message', 'stack'])
  })

  it.each(['name', 'message', 'code', 'stack', 'errors'])('survives a getter of %s that throws', (key) => {
    const error = Object.defineProperty(new Error(key === 'errors' ? '' : 'kept'), key, { get: throws })
    const stored = serializeError(error)
    expect(stored.name).toBe('Error')
    expect(stored.message).toBe(key === 'message' || key === 'errors' ? '' : 'kept')
  })

  it.each([5, null, {}, '', Number.NaN])('leaves out a name, code or stack that is %j', (value) => {
    const error = Object.assign(new Error('x'), { name: value, code: Number.NaN, stack: 5 })
    expect(serializeError(error)).toEqual({ name: 'Error', message: 'x' })
  })

  it('cuts a message of 5 MB to 4096 bytes and a stack to 8192, and keeps the frames', () => {
    const error = new Error('y'.repeat(5_000_000))
    const { message, stack } = serializeError(error)
    expect(Buffer.byteLength(message)).toBe(4096)
    expect(message).toMatch(/^y+…$/)
    expect(Buffer.byteLength(stack ?? '')).toBeLessThanOrEqual(8192)
    expect(stack).toContain('stored-error.test.ts')
  })

  it('marks a stack that was cut', () => {
    const error = Object.assign(new Error('x'), { stack: 'frame '.repeat(5000) })
    expect(serializeError(error).stack).toMatch(/^frame .*…$/)
    expect(Buffer.byteLength(serializeError(error).stack ?? '')).toBe(8192)
  })

  it.each(['é', '€', '🐑'])('cuts between characters of %s, never inside one', (character) => {
    for (let offset = 0; offset < 4; offset++) {
      const { message } = serializeError(new Error('x'.repeat(offset) + character.repeat(5000)))
      expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4096)
      expect(message).toMatch(new RegExp(`^x{${offset}}(?:${character})+…$`, 'u'))
    }
  })

  it('takes other limits, and keeps a message of exactly its limit', () => {
    expect(serializeError('x'.repeat(10), { maxMessageBytes: 10 }).message).toBe('x'.repeat(10))
    expect(serializeError('é'.repeat(10), { maxMessageBytes: 10 }).message).toBe('ééé…')
    expect(serializeError(new Error('x'), { maxStackBytes: 5 }).stack).toBe('Er…')
  })

  it('yields text that JSON can hold, whatever was in it', () => {
    const error = Object.assign(new Error('bad \uD800 text'), { name: '\uDC00', code: '\uD800' })
    expect(() => encodeJson(serializeError(error), { maxBytes: 100_000, what: 'result' })).not.toThrow()
    expect(serializeError('\uD800').message).toBe('\uFFFD')
  })

  it('names what failed inside an aggregate without a message', () => {
    const error = new AggregateError([new Error('connect ::1'), 'odd', new Error('connect 127.0.0.1')])
    expect(serializeError(error).message).toBe('connect ::1; connect 127.0.0.1')
    expect(serializeError(new AggregateError([], 'own')).message).toBe('own')
  })
})
