// The rules that a run must have kept, each with its kind of problem. Pure: facts in, problems out.
import type { AofFacts } from './aof-facts.js'
import type { Noted, TryLine } from './ledger-file.js'
import { findLostTails } from './lost-tail.js'
import { type QueueState, STATES } from './queue-state.js'

/** Kinds of problem the checker itself finds; a row may add its own. */
export const PROBLEM_KINDS = {
  'no-fault': 'no fault was injected, so the run shows nothing',
  'no-job': 'no job was accepted, so the run shows nothing',
  lost: 'accepted jobs are nowhere',
  removed: 'jobs ran and left a result, but are in no state',
  unexpected: 'jobs are in Redis that nobody sent',
  'refused-but-stored': 'jobs are stored whose enqueue was refused',
  'two-states': 'jobs are listed in two states, or twice in one',
  'no-hash': 'jobs are listed without a record of their own',
  'no-state': 'records of jobs are in no state',
  'not-drained': 'jobs still wait or run',
  accounting: 'accepted and recovered jobs are not the sum of all states',
  'duplicate-accept': 'one job was stored under two ids',
  'wrong-ending': 'jobs failed that had to complete, or the other way round',
  'wrong-attempts': 'results show another number of attempts than the jobs had',
  'completed-unrun': 'jobs are completed whose handler never came to its end',
  'duplicated-effect': 'effects were applied more than once',
  'missing-effect': 'completed jobs have no effect',
  'effect-of-failed': 'jobs that did not complete have an effect',
  'counter-off': 'a counter is not the sum of the ledger',
  'result-missing': 'finished jobs have no result',
  'result-extra': 'jobs that did not finish have a result',
  'result-wrong': 'results say another ending than the state of their job',
  'result-twice': 'results were written more than once',
  'result-unseen': 'results are there that no append-only file has',
  'not-atomic': 'finish, result and effect of a job were not one step',
  'totals-off': 'the totals are not the number of finished jobs',
  'stats-off': 'the stats of the minutes are not the number of finished jobs',
  'stray-key': 'keys carry no hash tag of the queue',
} as const

export type ProblemKind = keyof typeof PROBLEM_KINDS

export interface Problem {
  readonly kind: ProblemKind | (string & {})
  readonly text: string
}

export interface Facts {
  readonly lines: readonly Noted[]
  readonly state: QueueState
  readonly aof: AofFacts | undefined
  readonly needsNoFault: boolean
  readonly mayLose: number
}

const SHOWN = 5

class Findings {
  readonly problems: Problem[] = []

  /** A problem about these ids, when there are any. */
  ids(kind: ProblemKind, ids: readonly string[]): void {
    if (ids.length === 0) return
    const more = ids.length > SHOWN ? ', …' : ''
    this.problems.push({ kind, text: `${ids.length} ${PROBLEM_KINDS[kind]}: ${ids.slice(0, SHOWN).join(', ')}${more}` })
  }

  that(kind: ProblemKind, isSo: boolean, detail?: string): void {
    if (!isSo) this.problems.push({ kind, text: detail ? `${PROBLEM_KINDS[kind]}: ${detail}` : PROBLEM_KINDS[kind] })
  }
}

/** Everything the ledger says, by id. */
function readLines(lines: readonly Noted[]) {
  const tried = new Map<string, TryLine>()
  const [acked, refused, unsure] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const ends = new Map<string, Readonly<Record<string, number>>>()
  const idsOfNumber = new Map<number, Set<string>>()
  let faults = 0
  for (const line of lines) {
    if (line.e === 'try') tried.set(line.id, line)
    else if (line.e === 'ack') acked.add(line.id)
    else if (line.e === 'refused') refused.add(line.id)
    else if (line.e === 'unknown') unsure.add(line.id)
    else if (line.e === 'end') ends.set(line.id, line.add)
    else if (line.e === 'fault') faults++
    else if (line.e === 'start' && line.n !== undefined) {
      idsOfNumber.set(line.n, (idsOfNumber.get(line.n) ?? new Set()).add(line.id))
    }
  }
  return { tried, acked, refused, unsure, ends, idsOfNumber, faults }
}

/** Judges a run. */
export function judge({ lines, state, aof, needsNoFault, mayLose }: Facts) {
  const found = new Findings()
  const ledger = readLines(lines)
  const placed = STATES.flatMap((name) => state.ids[name])
  const present = new Set(placed)
  const known = new Set([...present, ...state.hashes])
  const completed = new Set(state.ids.completed)
  const failed = new Set(state.ids.failed)
  const finished = new Set([...completed, ...failed])

  found.that('no-fault', needsNoFault || ledger.faults > 0)
  found.that('no-job', ledger.acked.size > 0)
  const gone = [...ledger.acked].filter((id) => !known.has(id))
  const lost = gone.filter((id) => !state.results.has(id))
  const unexpected = [...known].filter((id) => !ledger.tried.has(id))
  const recovered = [...known].filter((id) => ledger.tried.has(id) && !ledger.acked.has(id))
  // One that was refused only after a send of unknown outcome may be there.
  const stored = recovered.filter((id) => ledger.refused.has(id) && !ledger.unsure.has(id))
  const unwritten = findLostTails(lines, lost, (id) => known.has(id) || state.results.has(id))
  const unexplained = lost.filter((id) => !unwritten.includes(id))
  if (unexplained.length > mayLose) found.ids('lost', unexplained)
  found.ids(
    'removed',
    gone.filter((id) => state.results.has(id)),
  )
  found.ids('unexpected', unexpected)
  found.ids('refused-but-stored', stored)
  found.ids('two-states', repeated(placed))
  found.ids(
    'no-hash',
    [...present].filter((id) => !state.hashes.has(id)),
  )
  found.ids(
    'no-state',
    [...state.hashes].filter((id) => !present.has(id)),
  )
  found.ids(
    'not-drained',
    placed.filter((id) => !finished.has(id)),
  )
  const excused = unwritten.length + Math.min(unexplained.length, mayLose)
  const accepted = ledger.acked.size - excused + recovered.length
  found.that('accounting', accepted === placed.length, `${accepted} accepted, ${placed.length} in all states`)
  const twice = [...ledger.idsOfNumber].filter(([, ids]) => ids.size > 1)
  found.ids(
    'duplicate-accept',
    twice.map(([, ids]) => [...ids].join(' and ')),
  )

  judgeEndings(found, ledger, state)
  const effects = judgeEffects(found, ledger.ends, state, completed)
  judgeResults(found, state, aof, finished)
  const { completed: totalCompleted, failed: totalFailed } = sumTotals(state.totals)
  const ended = `${completed.size} completed, ${failed.size} failed`
  const isTotal = totalCompleted === completed.size && totalFailed === failed.size
  found.that('totals-off', isTotal, `${totalCompleted} and ${totalFailed}, for ${ended}`)
  const isStats = state.stats.completed === completed.size && state.stats.failed === failed.size
  found.that('stats-off', isStats, `${state.stats.completed} and ${state.stats.failed}, for ${ended}`)
  found.ids('stray-key', state.strays)

  const writes = aof && [...aof.resultWrites.values()]
  const counts = {
    tried: ledger.tried.size,
    acked: ledger.acked.size,
    completed: completed.size,
    failed: failed.size,
    lost: lost.length,
    lostUnwritten: unwritten.length,
    unexpected: unexpected.length,
    ...effects,
    resultWrites: writes && { min: leastOf(writes), max: mostOf(writes) },
    recovered: recovered.length,
    faults: ledger.faults,
  }
  return { counts, problems: found.problems }
}

function judgeEndings(found: Findings, ledger: ReturnType<typeof readLines>, state: QueueState): void {
  const wrong = (ids: readonly string[], expected: 'completed' | 'failed') =>
    ids.filter((id) => {
      const { expect = 'completed' } = ledger.tried.get(id) ?? {}
      return ledger.tried.has(id) && expect !== 'either' && expect !== expected
    })
  found.ids('wrong-ending', [...wrong(state.ids.completed, 'completed'), ...wrong(state.ids.failed, 'failed')])
  found.ids(
    'completed-unrun',
    state.ids.completed.filter((id) => ledger.tried.has(id) && !ledger.ends.has(id)),
  )
  const attempts = [...state.results].filter(([id, result]) => {
    const expected = ledger.tried.get(id)?.attempts
    return expected !== undefined && result !== null && result.attempts !== expected
  })
  found.ids(
    'wrong-attempts',
    attempts.map(([id, result]) => `${id} (${result?.attempts})`),
  )
}

function judgeEffects(
  found: Findings,
  ends: ReadonlyMap<string, Readonly<Record<string, number>>>,
  { hits, counters }: QueueState,
  completed: ReadonlySet<string>,
): { duplicatedEffects: number; counterOff: number } {
  const duplicated = Object.keys(hits).filter((id) => Number(hits[id]) > 1)
  found.ids('duplicated-effect', duplicated)
  found.ids(
    'missing-effect',
    [...completed].filter((id) => hits[id] === undefined),
  )
  found.ids(
    'effect-of-failed',
    Object.keys(hits).filter((id) => !completed.has(id)),
  )
  const sums: Record<string, number> = {}
  for (const id of completed) {
    for (const [name, add] of Object.entries(ends.get(id) ?? {})) sums[name] = (sums[name] ?? 0) + add
  }
  let counterOff = 0
  for (const name of new Set([...Object.keys(sums), ...Object.keys(counters)])) {
    const [is, should] = [Number(counters[name] ?? 0), sums[name] ?? 0]
    found.that('counter-off', is === should, `${name} is ${is}, the ledger says ${should}`)
    counterOff += Math.abs(is - should)
  }
  return { duplicatedEffects: duplicated.length, counterOff }
}

function judgeResults(
  found: Findings,
  { results, ids }: QueueState,
  aof: AofFacts | undefined,
  finished: ReadonlySet<string>,
): void {
  found.ids(
    'result-missing',
    [...finished].filter((id) => !results.has(id)),
  )
  const extra = [...results.keys()].filter((id) => !finished.has(id))
  found.ids('result-extra', extra)
  const statuses = new Map([
    ...ids.completed.map((id) => [id, 'completed'] as const),
    ...ids.failed.map((id) => [id, 'failed'] as const),
  ])
  const wrong = [...results].filter(
    ([id, result]) => statuses.has(id) && (result?.id !== id || result.status !== statuses.get(id)),
  )
  found.ids(
    'result-wrong',
    wrong.map(([id]) => id),
  )
  if (!aof) return
  found.ids(
    'result-twice',
    [...aof.resultWrites].filter(([, writes]) => writes > 1).map(([id]) => id),
  )
  found.ids(
    'result-unseen',
    [...results.keys()].filter((id) => !aof.resultWrites.has(id)),
  )
  found.ids('not-atomic', [...aof.split])
}

function sumTotals(totals: Readonly<Record<string, number>>): { completed: number; failed: number } {
  const sum = (ending: string) =>
    Object.entries(totals).reduce((all, [field, count]) => (field.endsWith(`:${ending}`) ? all + count : all), 0)
  return { completed: sum('completed'), failed: sum('failed') }
}

function repeated(ids: readonly string[]): string[] {
  const seen = new Set<string>()
  return ids.filter((id) => seen.has(id) || !seen.add(id))
}

const leastOf = (values: readonly number[]) => values.reduce((least, value) => Math.min(least, value), values[0] ?? 0)
const mostOf = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, value), 0)
