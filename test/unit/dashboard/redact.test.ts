// What the option `redact` takes out of inputs and results.
import { describe, expect, it } from 'vitest'
import { createRedact, isRedacted, REDACTED } from '../../../src/dashboard/redact.js'

describe('redact', () => {
  const redact = createRedact(['input.password', 'input.users.token', 'result.*.secret', 'input.card.number'])

  it('takes out what the paths name, in lists too, and leaves the rest', () => {
    const input = {
      password: 'a',
      users: [{ name: 'ann', token: 'b' }, 5, null],
      card: { number: [1, 2], name: 'x' },
      n: 1,
    }
    expect(redact('input', input)).toEqual({
      password: REDACTED,
      users: [{ name: 'ann', token: REDACTED }, 5, null],
      card: { number: REDACTED, name: 'x' },
      n: 1,
    })
    expect(input.password).toBe('a')
    expect(redact('result', { a: { secret: 1, b: 2 }, password: 'stays' })).toEqual({
      a: { secret: REDACTED, b: 2 },
      password: 'stays',
    })
  })

  it.each(['text', 5, null, undefined, true])('gives %j as it is', (value) => {
    expect(redact('input', value)).toBe(value)
  })

  it('tells what must not come back as an input', () => {
    expect(isRedacted(redact('input', { a: { password: 1 }, password: 2 }))).toBe(true)
    expect(isRedacted({ text: `said ${REDACTED}` })).toBe(false)
    expect(isRedacted(undefined)).toBe(false)
  })

  it.each([['input'], ['password'], ['data.password'], ['input.'], ['input..a'], [''], [5]])(
    'refuses the path %j',
    (path) => {
      expect(() => createRedact([path])).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    },
  )

  it('refuses what is no list', () => {
    expect(() => createRedact('input.password')).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})
