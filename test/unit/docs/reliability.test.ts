// The page on reliability against the fault matrix: every row is in its table, under its own title, and nothing else is.
import { expect, test } from 'vitest'
import { loadRows } from '../../fault/load-rows.js'
import { DAMAGE } from '../../fault/planted/damage.js'
import { IN_FINISHES } from '../../fault/planted/in-finishes.js'
import { IN_HANDLERS } from '../../fault/planted/in-handlers.js'
import { IN_KILLS } from '../../fault/planted/in-kills.js'
import { IN_PRODUCERS } from '../../fault/planted/in-producers.js'
import { read, rows } from './documents.js'

const PAGE = 'docs/reliability.md'

test('the table has every row of the fault matrix with its title', async () => {
  const expected = (await loadRows()).map(({ name, title }) => [name, title])
  expect(rows(PAGE, 'rows').map(([name, title]) => [name, title])).toEqual(expected)
  expect(read('README.md')).toContain(`${expected.length} kinds of fault`)
})

test('each figure has a size, a seed and a target', () => {
  for (const [name, , run, faults, , , , target] of rows(PAGE, 'rows')) {
    expect(run, name).toMatch(/^(small|full|full, [\d.]+ min), seed \d+$/)
    expect(Number.parseInt(faults ?? '', 10), name).toBeGreaterThan(0)
    expect(target, name).not.toBe('')
  }
})

test('as many bugs are planted as the page says', () => {
  const planted = [...IN_PRODUCERS, ...IN_HANDLERS, ...IN_FINISHES, ...IN_KILLS, ...DAMAGE].length
  expect(read(PAGE)).toContain(`${planted} planted bugs`)
})

test('rows that the text speaks of are rows', async () => {
  const names = (await loadRows()).map(({ name }) => name)
  const named = read(PAGE).match(/\bF\d\d[A-Z]?\b/g) ?? []
  expect(named.filter((name) => !names.includes(name))).toEqual([])
})
