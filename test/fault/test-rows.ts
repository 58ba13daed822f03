// Rows of the fault matrix in their small size, as tests. `npm run test:faults` runs the full ones.
import { beforeAll, expect, it } from 'vitest'
import { buildDrover } from '../support/drover-cli.js'
import { testSeed } from '../support/random.js'
import { loadRows } from './load-rows.js'
import { runRow } from './run-row.js'
import { showOutcome } from './show-outcome.js'

/** Every row whose place among all is that of `part` (from 1) in each `parts` of them. */
export async function testRows(part: number, parts: number): Promise<void> {
  beforeAll(buildDrover)
  const rows = (await loadRows()).filter((_, index) => index % parts === part - 1)
  for (const row of rows) {
    it.skipIf(row.pending !== undefined)(`${row.name} ${row.title}`, async () => {
      const outcome = await runRow(row, { seed: testSeed(), size: 'small' })
      const shown = showOutcome(outcome)
      console.info(shown)
      expect(outcome.problems, shown).toEqual([])
    })
  }
}
