import { describe, expect, it } from 'vitest'
import { parseResult, parseTotals } from '../../../src/ledger/index.js'

describe('parseResult', () => {
  it('gives back what was stored, unknown fields included', () => {
    const record = { v: 1, status: 'completed', value: null, id: 'a', shape: 'new' }
    expect(parseResult(JSON.stringify(record))).toEqual(record)
    const failed = { v: 1, status: 'failed', error: { name: 'Error', message: '' } }
    expect(parseResult(JSON.stringify(failed))).toEqual(failed)
  })

  it.each([
    null,
    undefined,
    '',
    'true',
    '"text"',
    '{"v":1}',
    '{"v":"1","status":"completed","value":1}',
    '{"v":2,"status":"completed","value":1}',
    '{"v":1,"status":"completed","error":{}}',
    '{"v":1,"status":"failed","value":1}',
    '{"v":1,"status":"completed","value":1',
  ])('%j is no record', (text) => {
    expect(parseResult(text)).toBeNull()
  })
})

describe('parseTotals', () => {
  it('groups the fields by job name, names sorted', () => {
    const totals = parseTotals({ 'b:completed': '2', 'a.x:failed': '1', 'b:retried': '9', 'a.x:completed': '3' })
    expect([...totals]).toEqual([
      ['a.x', { completed: 3, failed: 1, retried: 0 }],
      ['b', { completed: 2, failed: 0, retried: 9 }],
    ])
  })

  it('leaves out what it does not know', () => {
    expect(parseTotals({ completed: '1', ':completed': '1', 'a:other': '1', 'a:constructor': '1' }).size).toBe(0)
  })
})
