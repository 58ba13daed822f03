// `drover workers`: the workers that are there, and what a person tells one or all of them to do.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { suggest, UsageError } from '../../job/index.js'
import {
  MAX_CONCURRENCY,
  orderConcurrency,
  orderState,
  readWorkers,
  type WorkerBeat,
  type WorkerState,
} from '../../ledger/index.js'
import { checkQueueName, type RedisClient } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { readWaitMs } from '../option-values.js'
import { formatTable, type Output } from '../output.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import { interruptible } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

const STATES = { quiet: 'quiet', drain: 'quiet', resume: 'run', close: 'close' } as const
const ACTIONS = ['list', 'quiet', 'drain', 'resume', 'close', 'concurrency'] as const
const DRAIN_WAIT = '1h'
const DRAIN_POLL_MS = 500
type Action = (typeof ACTIONS)[number]

interface Order {
  readonly action: Action
  /** Id of a worker, or `all`. */
  readonly worker: string
  readonly queue: string
  readonly jobs: number
}

export const workers: Verb = {
  define(command: Command): void {
    command
      .argument('[action]', `${ACTIONS.join(', ')} (default: list)`)
      .argument('[worker]', 'the id of a worker, or all')
      .argument('[queue]', 'concurrency: the queue')
      .argument('[jobs]', 'concurrency: how many jobs of it to run at once')
    command.option('--wait <timeout>', `drain: the most time to wait for running jobs (default: ${DRAIN_WAIT})`)
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
A worker says each 5 s that it is there, and follows what it is told within a second or two. quiet: it takes no more jobs and
finishes those that run. drain: the same, and waits until none runs; exit code 4 when some still do after --wait. close: as SIGTERM does. A worker that starts later is not told.

Examples:
  $ drover workers
  $ drover workers quiet all
  $ drover workers drain web1-4242-9f86d081 --wait 5m
  $ drover workers concurrency web1-4242-9f86d081 media 20`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const order = readOrder(args)
    if (options.wait !== undefined && order.action !== 'drain') throw new UsageError('--wait is for drain')
    const waitMs = readWaitMs(options.wait ?? DRAIN_WAIT) ?? 0
    const settings = await readSettings(options)
    return withRedis(settings, async (client) => {
      const found = await readWorkers(client, settings.prefix)
      if (order.action === 'list') showList(out, found)
      else {
        const told = chosen(found, order)
        await tell(client, settings.prefix, told, order, out)
        if (order.action === 'drain') return drain(client, settings.prefix, told, waitMs, out)
      }
      return EXIT_CODES.ok.code
    })
  },
}

function readOrder([action = 'list', worker, queue, jobs, ...more]: readonly string[]): Order {
  if (!isAction(action)) {
    const nearest = suggest(action, ACTIONS)
    const advice = nearest === undefined ? `expected one of ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
    throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
  }
  const wanted = action === 'list' ? 0 : action === 'concurrency' ? 3 : 1
  const given = [worker, queue, jobs].filter((word) => word !== undefined).length + more.length
  if (given !== wanted) {
    const words = { 0: '', 1: ' <worker or all>', 3: ' <worker or all> <queue> <jobs>' }[wanted]
    throw new UsageError(`expected: workers ${action}${words}`)
  }
  if (action !== 'concurrency') return { action, worker: worker ?? '', queue: '', jobs: 0 }
  const count = /^\d{1,5}$/.test(jobs ?? '') ? Number(jobs) : 0
  if (count < 1 || count > MAX_CONCURRENCY) {
    throw new UsageError(`jobs: expected a whole number from 1 to ${MAX_CONCURRENCY}, got ${JSON.stringify(jobs)}`)
  }
  return { action, worker: worker ?? '', queue: checkQueueName(queue ?? ''), jobs: count }
}

function isAction(action: string): action is Action {
  return (ACTIONS as readonly string[]).includes(action)
}

function chosen(found: readonly WorkerBeat[], { worker, action, queue }: Order): readonly WorkerBeat[] {
  const named = worker === 'all' ? found : found.filter(({ id }) => id === worker)
  const ids = found.map(({ id }) => id)
  if (named.length === 0) {
    const nearest = suggest(worker, ids)
    const advice = nearest === undefined ? 'list them with drover workers' : `did you mean ${nearest}?`
    throw new UsageError(
      worker === 'all' ? 'no worker is there' : `no worker ${JSON.stringify(worker.slice(0, 120))}: ${advice}`,
    )
  }
  if (action !== 'concurrency') return named
  const working = named.filter(({ queues }) => queues.some((load) => load.queue === queue))
  if (working.length === 0) throw new UsageError(`no such worker works queue ${queue}`)
  return working
}

async function tell(
  client: RedisClient,
  prefix: string,
  told: readonly WorkerBeat[],
  { action, queue, jobs }: Order,
  out: Output,
): Promise<void> {
  for (const { id } of told) {
    if (action === 'concurrency') await orderConcurrency(client, prefix, id, queue, jobs)
    else await orderState(client, prefix, id, STATES[action as keyof typeof STATES] satisfies WorkerState)
    if (!out.json) out.print(`told ${id}: ${action}${action === 'concurrency' ? ` ${queue} ${jobs}` : ''}`)
  }
  if (out.json && action !== 'drain') out.printJson({ action, told: told.map(({ id }) => id) })
}

/** Waits until the workers are quiet and run nothing, or are gone. */
async function drain(
  client: RedisClient,
  prefix: string,
  told: readonly WorkerBeat[],
  waitMs: number,
  out: Output,
): Promise<number> {
  const ids = told.map(({ id }) => id)
  const deadline = performance.now() + waitMs
  const isBusy = ({ id, state, queues }: WorkerBeat) =>
    ids.includes(id) && (state === 'run' || queues.some(({ running }) => running > 0))
  return interruptible(
    () => 'the workers stay quiet',
    async (signal) => {
      for (;;) {
        const busy = (await readWorkers(client, prefix)).filter(isBusy)
        const isLate = performance.now() >= deadline
        if (busy.length > 0 && !isLate) {
          await sleep(DRAIN_POLL_MS, undefined, { signal }).catch(() => undefined)
          if (signal.aborted) throw signal.reason
          continue
        }
        const running = busy.flatMap(({ queues }) => queues).reduce((sum, load) => sum + load.running, 0)
        if (out.json) out.printJson({ action: 'drain', told: ids, running })
        else out.print(busy.length === 0 ? 'drained' : `${busy.length} workers still run ${running} jobs`)
        return busy.length === 0 ? EXIT_CODES.ok.code : EXIT_CODES.timeout.code
      }
    },
  )
}

function showList(out: Output, found: readonly WorkerBeat[]): void {
  if (out.json) {
    out.printJson(found)
    return
  }
  if (found.length === 0) {
    out.note('no workers: drover worker starts one')
    return
  }
  const now = Date.now()
  const rows = found.map(({ id, version, state, queues, handled, rssBytes, loopLagMs, startedAt, jobs }) => [
    id,
    version,
    state,
    queues.map(({ queue, running, concurrency }) => `${queue} ${running}/${concurrency}`).join(', '),
    handled,
    jobs[0] === undefined ? '-' : seconds(now - jobs[0].startedAt),
    `${Math.round(rssBytes / 1_048_576)} MiB`,
    `${loopLagMs} ms`,
    seconds(now - startedAt),
  ])
  out.print(
    formatTable([['WORKER', 'VERSION', 'STATE', 'RUNNING', 'HANDLED', 'OLDEST', 'MEMORY', 'LOOP LAG', 'UP'], ...rows]),
  )
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1_000))} s`
}
