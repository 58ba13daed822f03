// `drover limits`: what limits a queue and its keys at this moment, and the limits of a whole queue, set for all workers.
import type { Command } from 'commander'
import { type Duration, suggest, UsageError } from '../../job/index.js'
import type { LimitCounts, LimitState, QueueLimitChanges, QueueLimits } from '../../ledger/index.js'
import { createProducer, type Producer } from '../../producer/index.js'
import { checkQueueName } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { readWhole } from '../option-values.js'
import { formatTable, type Output } from '../output.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const ACTIONS = ['list', 'set'] as const
const DEFAULT_MOST = 50

export const limits: Verb = {
  define(command: Command): void {
    command
      .argument('<action>', ACTIONS.join(', '))
      .argument('<queue>', 'the queue')
      .option('--most <number>', `list: most keys, those with most jobs in line first (default: ${DEFAULT_MOST})`)
      .option(
        '--concurrency <number>',
        'set: most jobs of the queue that run at once, over all workers; none: any number',
      )
      .option('--rate <limit/window>', 'set: most starts of jobs in a time, as 500/1s; none: any number')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
list shows the limits of the whole queue and of its keys in use: permits out, jobs in line, what the first one waits for.
set changes what is given, for all workers and from now on. Limits by key belong to the contract.

Examples:
  $ drover limits list sync
  $ drover limits set sync --concurrency 20 --rate 500/1s
  $ drover limits set sync --rate none`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [action = '', queue = '', ...more] = args
    if (!(ACTIONS as readonly string[]).includes(action)) {
      const nearest = suggest(action, ACTIONS)
      const advice = nearest === undefined ? `expected one of ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
      throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
    }
    if (more.length > 0) throw new UsageError(`expected: limits ${action} <queue>`)
    checkQueueName(queue)
    const most = readWhole('--most', options.most)
    const changes = readChanges(options)
    const isSet = action === 'set'
    if (isSet && most !== undefined) throw new UsageError('--most is for list')
    if (isSet && Object.keys(changes).length === 0) throw new UsageError('set: expected --concurrency or --rate')
    if (!isSet && Object.keys(changes).length > 0) throw new UsageError('--concurrency and --rate are for set')
    // A worker has a setting of the same name.
    const { concurrency: _, ...others } = options
    const settings = await readSettings(others)
    const { prefix, durability, allowVolatile } = settings
    await using producer = createProducer({ redis: redisOf(settings), prefix, durability, allowVolatile })
    if (isSet) showQueue(out, queue, await producer.limits.setQueue(queue, changes))
    else await showAll(out, producer, queue, most ?? DEFAULT_MOST)
    return EXIT_CODES.ok.code
  },
}

function readChanges({ concurrency, rate }: Readonly<Record<string, unknown>>): QueueLimitChanges {
  return {
    ...(concurrency === undefined
      ? {}
      : { concurrency: concurrency === 'none' ? null : (readWhole('--concurrency', concurrency) ?? null) }),
    ...(rate === undefined ? {} : { rate: rate === 'none' ? null : readRate(String(rate)) }),
  }
}

function readRate(text: string): { limit: number; window: Duration } {
  const [, limit, window] = /^(\d{1,15})\/(.+)$/.exec(text) ?? []
  if (limit === undefined || window === undefined) {
    throw new UsageError(
      `--rate: expected starts and a time, as 500/1s, or none; got ${JSON.stringify(text.slice(0, 60))}`,
    )
  }
  return { limit: Number(limit), window: window as Duration }
}

function describe({ concurrency, rate }: QueueLimits): string {
  const ofRate = rate === undefined ? 'any rate' : `${rate.limit} starts in ${rate.windowMs} ms`
  return `${concurrency === undefined ? 'any number of jobs' : `${concurrency} jobs`} at once, ${ofRate}`
}

function showQueue(out: Output, queue: string, { concurrency = null, rate = null }: Nullable): void {
  if (out.json) out.printJson({ queue, concurrency, rate })
  else out.print(`queue ${queue}: ${describe({ concurrency: concurrency ?? undefined, rate: rate ?? undefined })}`)
}

interface Nullable {
  readonly concurrency?: number | null | undefined
  readonly rate?: QueueLimits['rate'] | null
}

async function showAll(out: Output, producer: Producer, queue: string, most: number): Promise<void> {
  const found = await producer.limits.list(queue, most)
  const [ofQueue, counts] = await Promise.all([producer.limits.getQueue(queue), producer.limits.counts(queue)])
  const { concurrency = null, rate = null } = ofQueue
  if (out.json) {
    out.printJson({ queue, concurrency, rate, ...counts, limits: found })
    return
  }
  out.print(`queue ${queue}: ${describe(ofQueue)}`)
  showKeys(out, found, counts)
}

function showKeys(out: Output, found: readonly LimitState[], { keys }: LimitCounts): void {
  if (found.length === 0) {
    out.note('no key has jobs in line or at work')
    return
  }
  const rows = found.map(({ job, key, held, concurrency, parked, rate, waitsFor, freeAt, order, weight }) => [
    job ?? '(queue)',
    JSON.stringify(key),
    `${held}/${concurrency ?? 'any'}`,
    parked,
    rate === undefined ? '-' : `${rate.left} of ${rate.limit} in ${rate.windowMs} ms`,
    waitsFor === undefined
      ? '-'
      : freeAt === undefined
        ? waitsFor
        : `${waitsFor} until ${new Date(freeAt).toISOString()}`,
    order,
    weight,
  ])
  const header = ['JOB', 'KEY', 'RUNNING', 'IN LINE', 'RATE LEFT', 'WAITS FOR', 'ORDER', 'WEIGHT']
  out.print(formatTable([header, ...rows]))
  if (keys > found.length) out.note(`there are ${keys} keys: --most shows more`)
}
