// What `drover top` shows, as lines of text that fit a screen. It reads nothing and writes nothing.
import type { QueueView, UnreadableQueue, WorkerBeat } from '../../ledger/index.js'
import { formatTable, printable } from '../output.js'
import { QUEUE_HEADER, queueRow } from '../queue-table.js'
import { showAge } from '../show-age.js'

export interface TopFacts {
  readonly queues: readonly QueueView[]
  /** Queues that cannot be read, and why. */
  readonly unreadable?: readonly UnreadableQueue[] | undefined
  readonly workers: readonly WorkerBeat[]
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** What stands in the first line besides the time. */
  readonly title: string
  /** What went wrong at the last look, after which the rest is as it was before. */
  readonly problem?: string | undefined
}

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

const WORKER_HEADER = ['WORKER', 'STATE', 'RUNNING', 'HANDLED', 'MEMORY', 'LAG', 'SEEN']
const JOB_HEADER = ['JOB', 'ID', 'QUEUE', 'ATTEMPT', 'AGE']
/** A title, a header and a row of each of the three tables, and the first line. */
const LEAST_ROWS = 10

/** All lines, for an output that scrolls; or as many of each table as a screen has room for, each cut at its width. */
export function drawTop(facts: TopFacts, size?: ScreenSize): string[] {
  const { queues, unreadable = [], workers, nowMs, title, problem } = facts
  const first = `drover top  ${title}  ${new Date(nowMs).toISOString().slice(0, 19)}Z${problem === undefined ? '' : `  ${problem}`}`
  const jobs = workers.flatMap((worker) => worker.jobs).sort((a, b) => a.startedAt - b.startedAt)
  const tables: Table[] = [
    ...(unreadable.length === 0
      ? []
      : [
          {
            name: 'queues that cannot be read',
            header: ['QUEUE', 'WHY'],
            rows: unreadable.map(({ queue, problem: why }) => [queue, why]),
          },
        ]),
    { name: 'queues', header: QUEUE_HEADER, rows: [...queues].sort(busiestFirst).map(queueRow) },
    { name: 'workers', header: WORKER_HEADER, rows: workers.map((worker) => workerRow(worker, nowMs)) },
    {
      name: 'running jobs, the longest first',
      header: JOB_HEADER,
      rows: jobs.map(({ job, id, queue, attempt, startedAt }) => [job, id, queue, attempt, showAge(nowMs - startedAt)]),
    },
  ]
  const room =
    size === undefined ? tables.map(({ rows }) => rows.length) : shareRows(tables, Math.max(size.rows, LEAST_ROWS))
  const lines = [first, ...tables.flatMap((table, at) => drawTable(table, room[at] ?? 0))].map(printable)
  return size === undefined ? lines : lines.slice(0, size.rows).map((line) => line.slice(0, size.columns))
}

interface Table {
  readonly name: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
}

function drawTable({ name, header, rows }: Table, most: number): string[] {
  const hidden = rows.length - most
  const title = `${rows.length} ${name}${hidden > 0 ? ` (${hidden} more)` : ''}`
  if (rows.length === 0) return ['', title]
  return ['', title, ...formatTable([header, ...rows.slice(0, Math.max(0, most))]).split('\n')]
}

/** Each table gets what it needs, as long as the others have a fair part: the rows of a screen, without titles. */
function shareRows(tables: readonly Table[], screenRows: number): number[] {
  const fixed = 1 + tables.reduce((sum, { rows }) => sum + (rows.length === 0 ? 2 : 3), 0)
  let left = Math.max(0, screenRows - fixed)
  const room = tables.map(() => 0)
  while (left > 0) {
    const hungry = tables.flatMap(({ rows }, at) => ((room[at] ?? 0) < rows.length ? [at] : []))
    if (hungry.length === 0) break
    for (const at of hungry.slice(0, left)) room[at] = (room[at] ?? 0) + 1
    left -= Math.min(left, hungry.length)
  }
  return room
}

function workerRow({ id, state, queues, handled, rssBytes, loopLagMs, seenAt }: WorkerBeat, nowMs: number) {
  const loads = queues.map(({ queue, running, concurrency }) => `${queue} ${running}/${concurrency}`).join(', ')
  return [
    id,
    state,
    loads,
    handled,
    `${Math.round(rssBytes / 1_048_576)} MiB`,
    `${loopLagMs} ms`,
    showAge(nowMs - seenAt),
  ]
}

function busiestFirst(one: QueueView, other: QueueView): number {
  const load = ({ waiting, prioritized, active }: QueueView) => waiting + prioritized + active
  return load(other) - load(one) || (one.queue < other.queue ? -1 : 1)
}
