// What `drover verify` concludes of limits by key: the permits that are out against the jobs that may have one. What is there
// before and after the scan is no job that was about to move.
import { type LimitAudit, MAX_AUDITED_PERMITS } from '../../ledger/index.js'
import type { Difference } from './compare.js'
import type { QueueEvidence } from './gather.js'

const SHOWN = 5

export function comparePermits({ queue, before, after }: QueueEvidence, unknown: string[]): Difference[] {
  const { permits } = after.limits
  if (permits === undefined || before.limits.permits === undefined) {
    unknown.push(`queue ${queue}: permits of limits, as more than ${MAX_AUDITED_PERMITS} are out or as many jobs run`)
    return []
  }
  const both = <Row>(pick: (audit: LimitAudit) => readonly Row[]) => inBoth(pick(before.limits), pick(after.limits))
  const unused = both(({ unused }) => unused)
  const unheld = both(({ unheld }) => unheld)
  const miscounted = both(({ miscounted }) => miscounted)
  const drift = { level: 'drift', code: 'PERMITS', queue } as const
  return [
    ...told(
      unused,
      ({ job, id, why }) => `${job} of ${id} (${why})`,
      (shown) => ({
        ...drift,
        expected: `${permits - unused.length}`,
        found: `${permits}`,
        evidence: `${permits} permits of limits are out, ${unused.length} of them for jobs that do not run: ${shown}`,
      }),
    ),
    ...told(
      unheld,
      ({ job, id }) => `${job} of ${id}`,
      (shown) => ({
        ...drift,
        expected: `${permits + unheld.length}`,
        found: `${permits}`,
        evidence: `${unheld.length} limited jobs run without a permit, as where a program that knows of no limits takes jobs: ${shown}`,
      }),
    ),
    ...miscounted.map(({ id, counted, held }) => ({
      ...drift,
      expected: `${held}`,
      found: `${counted}`,
      evidence: `the limit ${id} counts ${counted} permits, its jobs have ${held}`,
    })),
  ]
}

function inBoth<Row>(before: readonly Row[], after: readonly Row[]): Row[] {
  const known = new Set(before.map((row) => JSON.stringify(row)))
  return after.filter((row) => known.has(JSON.stringify(row)))
}

function told<Row>(
  rows: readonly Row[],
  name: (row: Row) => string,
  tell: (shown: string) => Difference,
): Difference[] {
  if (rows.length === 0) return []
  const more = rows.length > SHOWN ? ` and ${rows.length - SHOWN} more` : ''
  return [tell(rows.slice(0, SHOWN).map(name).join(', ') + more)]
}
