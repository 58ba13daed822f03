// Every row of the fault matrix in its small size. `npm run test:faults` runs the full ones.
import { beforeAll, expect, it } from 'vitest'
import { buildDrover } from '../support/drover-cli.js'
import { testSeed } from '../support/random.js'
import { loadRows } from './load-rows.js'
import { runRow } from './run-row.js'
import { showOutcome } from './show-outcome.js'

beforeAll(buildDrover)

for (const row of await loadRows()) {
  it.skipIf(row.pending !== undefined)(`${row.name} ${row.title}`, async () => {
    const outcome = await runRow(row, { seed: testSeed(), size: 'small' })
    const shown = showOutcome(outcome)
    console.info(shown)
    expect(outcome.problems, shown).toEqual([])
  })
}
