// How `drover errors` shows groups, jobs, replays and discards to people. Text of jobs is one line without controls.
import {
  type DiscardRecord,
  type ErrorGroup,
  type FailedJobDetails,
  oneLine,
  type ReplayPlan,
  type ReplayRecord,
} from '../../ledger/index.js'
import type { ErrorGroupDetails } from '../../producer/index.js'
import { formatTable, type Output } from '../output.js'

const MAX_TEXT = 400
const MAX_CELL = 70

export function showGroups(out: Output, groups: readonly ErrorGroup[], next: string | undefined): void {
  if (groups.length === 0) {
    out.note('no errors: no job has failed for good in the last 30 days')
    return
  }
  const rows = groups.map(({ queue, id, job, failed, count, lastAt, name, message }) => [
    queue,
    id,
    job || '-',
    failed,
    count,
    time(lastAt),
    cut(`${name}: ${message}`),
  ])
  out.print(formatTable([['QUEUE', 'GROUP', 'JOB', 'FAILED', 'TIMES', 'LAST', 'ERROR'], ...rows]))
  if (next !== undefined) out.note('there are more: --limit shows up to 500')
}

export function showGroup(out: Output, { group, samples, common }: ErrorGroupDetails): void {
  const { queue, id, job, name, message, frame, count, failed, firstAt, lastAt, releases } = group
  const facts = [
    ['group', `${id} of queue ${queue}`],
    ['job', job || '-'],
    ['error', oneLine(`${name}: ${message}`, MAX_TEXT)],
    ['at', frame || '-'],
    ['failed', `${failed} still, ${count} times`],
    ['first, last', `${time(firstAt)}, ${time(lastAt)}`],
    ['releases', releases.map(({ release, count: times }) => `${release} (${times})`).join(', ') || '-'],
    ...common.map(({ path, value, count: times, of }) => [
      'in common',
      oneLine(`${path} = ${value} in ${times} of ${of}`, MAX_TEXT),
    ]),
  ]
  out.print(formatTable(facts as string[][]))
  for (const sample of samples) out.print(`\n${sampleLines(sample).join('\n')}`)
}

function sampleLines({ id, failedAt, error, input, inputBytes, attempts }: FailedJobDetails): string[] {
  return [
    `job ${id}, failed ${time(failedAt)}`,
    `  error    ${oneLine(`${error.name}: ${error.message}`, MAX_TEXT)}`,
    `  input    ${input === null ? `${inputBytes} bytes` : oneLine(input, MAX_TEXT)}`,
    ...attempts.map(
      ({ attempt, startedAt, endedAt, name, message, worker }) =>
        `  attempt ${attempt}  ${time(startedAt)}, ${endedAt - startedAt} ms, ${oneLine(worker, 80)}: ${cut(`${name}: ${message}`)}`,
    ),
  ]
}

export function showPlan(out: Output, plan: ReplayPlan): void {
  if (out.json) return
  const { stages, samples } = plan
  out.print(`${showCount(plan)} would run again${stages.length > 0 ? `, in stages of ${stages.join(', ')}` : ''}`)
  if (samples.length > 0) out.print(`the first: ${samples.join(', ')}`)
}

/** How many jobs a plan found. */
export function showCount({ total, target, isPartial }: Pick<ReplayPlan, 'total' | 'target' | 'isPartial'>): string {
  if (isPartial) return `${total} of the oldest failed jobs (${target}), and any beyond them that fit,`
  return `${total} failed jobs (${target})`
}

const ENDINGS: Readonly<Record<ReplayRecord['state'], string>> = {
  running: 'runs',
  done: 'done',
  returned: 'stopped: the same error came again',
  stopped: 'stopped',
  waited: 'ended: the jobs of a stage have not ended in their time',
  interrupted: 'the process that ran it is gone; the same command goes on with what is failed',
}

export function showReplay(out: Output, { id, state, retried, ended, failed, total }: ReplayRecord): void {
  out.print(
    `${ENDINGS[state]}: ${retried} of ${total} put back, ${ended} ended, ${failed} of these failed (replay ${id})`,
  )
}

export function progressLine({ stage, stages, retried, ended, failed, total }: ReplayRecord): string {
  return `stage ${stage} of ${stages.length}: ${retried} of ${total} put back, ${ended} ended, ${failed} failed`
}

export function showReplays(out: Output, replays: readonly ReplayRecord[]): void {
  if (replays.length === 0) {
    out.note('no replays in the last 7 days')
    return
  }
  const rows = replays.map(({ id, state, by, startedAt, target, total, retried, failed }) => [
    id,
    state,
    time(startedAt),
    cut(by),
    total,
    retried,
    failed,
    cut(target),
  ])
  out.print(formatTable([['REPLAY', 'STATE', 'STARTED', 'BY', 'FOUND', 'RUN', 'FAILED', 'WHAT'], ...rows]))
}

export function showDiscards(out: Output, discards: readonly DiscardRecord[]): void {
  if (discards.length === 0) {
    out.note('no discards that can be undone')
    return
  }
  const rows = discards.map(({ id, at, by, count, restored, undoUntil, target }) => [
    id,
    time(at),
    cut(by),
    count,
    restored,
    time(undoUntil),
    cut(target),
  ])
  out.print(formatTable([['DISCARD', 'AT', 'BY', 'JOBS', 'BACK', 'UNDO UNTIL', 'WHAT'], ...rows]))
}

function cut(text: string): string {
  const line = oneLine(text, MAX_TEXT)
  return line.length > MAX_CELL ? `${line.slice(0, MAX_CELL - 1)}…` : line
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}
