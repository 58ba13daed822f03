// Rates of a queue from looks at it.
import { expect, it } from 'vitest'
import { Rates } from '../../../../src/dashboard/overview/rates.js'

const look = (seconds: number, unfinished: number, ended: number) => ({ atMs: seconds * 1_000, unfinished, ended })

it('are not known until two looks are five seconds apart', () => {
  const rates = new Rates()
  expect(rates.add('q', look(0, 0, 0))).toBeUndefined()
  expect(rates.add('q', look(4.9, 9, 9))).toBeUndefined()
  expect(rates.add('q', look(5, 10, 40))).toEqual({ in: 10, out: 8 })
})

it('count what comes in by what ended and what is left', () => {
  const rates = new Rates()
  rates.add('q', look(0, 1_000, 0))
  expect(rates.add('q', look(10, 900, 300))).toEqual({ in: 20, out: 30 })
})

it('are over two minutes at most', () => {
  const rates = new Rates()
  rates.add('q', look(0, 0, 0))
  rates.add('q', look(60, 0, 6_000))
  rates.add('q', look(120, 0, 6_000))
  expect(rates.add('q', look(180, 0, 6_000))).toEqual({ in: 0, out: 0 })
})

it('are never below nothing, where jobs were removed or totals deleted', () => {
  const rates = new Rates()
  rates.add('q', look(0, 1_000, 500))
  expect(rates.add('q', look(10, 0, 0))).toEqual({ in: 0, out: 0 })
})

it('forget the queues that are gone', () => {
  const rates = new Rates()
  rates.add('q', look(0, 0, 0))
  rates.keepOnly(['other'])
  expect(rates.add('q', look(10, 0, 100))).toBeUndefined()
})
