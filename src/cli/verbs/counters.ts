// `drover counters`: the user counters of all queues, of one, or one counter; now, or per minute or hour.
import { type Command, Option } from 'commander'
import { parseDuration, QueueNotFoundError, suggest, UsageError } from '../../job/index.js'
import {
  type CounterPoint,
  type CounterValue,
  listCounters,
  type QueuesRead,
  readCounter,
  readCounterSeries,
  readEachQueue,
  type StatsStep,
} from '../../ledger/index.js'
import {
  checkCounterName,
  checkQueueName,
  type KeysOfQueue,
  queueKeys,
  queuesKey,
  type RedisClient,
} from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { formatTable, type Output } from '../output.js'
import { noteUnreadable } from '../queue-table.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

/** Longest span shown by the minute unless --by says otherwise. */
const MINUTES_UP_TO_MS = 3 * 3_600_000

interface Span {
  readonly sinceMs: number
  readonly by: StatsStep
}

interface CountersOfQueue {
  readonly queue: string
  readonly counters: readonly (CounterValue & { readonly points?: readonly CounterPoint[] })[]
}

export const counters: Verb = {
  define(command: Command): void {
    command
      .argument('[queue]', 'one queue (default: all)')
      .argument('[name]', 'one counter of it (default: all); one that does not exist reads as 0')
      .option('--since <duration>', 'what was added since then, over time: 1h, 2d')
      .addOption(
        new Option('--by <step>', 'step of that time (default: minute up to 3h, else hour)').choices([
          'minute',
          'hour',
        ]),
      )
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
Examples:
  $ drover counters                              all counters of all queues
  $ drover counters media bytes                  one value, as a number alone
  $ drover counters media bytes --since 1h       what was added in each minute
  $ drover counters media --since 7d --by hour --json`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [queue, name] = args
    if (queue !== undefined) checkQueueName(queue)
    if (name !== undefined) checkCounterName(name)
    const span = readSpan(options)
    const settings = await readSettings(options)
    return withRedis(settings, async (client) => {
      const queues = await listQueues(client, settings.prefix)
      const keysOf = (each: string) => queueKeys(settings.prefix, each)
      const asked = queue === undefined ? queues : [queue]
      const { values, unreadable } = await readEachQueue(client, keysOf, asked, async (each) => ({
        queue: each,
        counters: await readCounters(client, keysOf(each), name, span),
      }))
      if (queue !== undefined && name === undefined && !queues.includes(queue)) {
        throw new QueueNotFoundError(queue, settings.prefix, suggest(queue, queues))
      }
      if (name !== undefined && queue !== undefined) await noteMissing(client, settings.prefix, queue, name, out)
      noteUnreadable(out, unreadable)
      show(out, { values, unreadable }, { queue, name, span })
      return unreadable.length === 0 ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
    })
  },
}

function readSpan({ since, by }: Readonly<Record<string, unknown>>): Span | undefined {
  if (since === undefined) {
    if (by !== undefined) throw new UsageError('--by goes with --since, such as --since 1h --by minute')
    return undefined
  }
  const backMs = parseDuration(since, { option: '--since', minMs: 1 })
  const step = by === 'hour' || (by === undefined && backMs > MINUTES_UP_TO_MS) ? 'hour' : 'minute'
  return { sinceMs: Date.now() - backMs, by: step }
}

async function listQueues(client: RedisClient, prefix: string): Promise<string[]> {
  return (await client.smembers(queuesKey(prefix))).sort()
}

async function readCounters(
  client: RedisClient,
  keys: KeysOfQueue,
  name: string | undefined,
  span: Span | undefined,
): Promise<CountersOfQueue['counters']> {
  const values =
    name === undefined ? await listCounters(client, keys) : [{ name, value: await readCounter(client, keys, name) }]
  if (span === undefined) return values
  return Promise.all(
    values.map(async (counter) => ({ ...counter, points: await readCounterSeries(client, keys, counter.name, span) })),
  )
}

/** A missing counter reads as 0 for everyone; a person may have mistyped its name. */
async function noteMissing(
  client: RedisClient,
  prefix: string,
  queue: string,
  name: string,
  out: Output,
): Promise<void> {
  const keys = queueKeys(prefix, queue)
  if ((await client.exists(keys.counter(name))) === 1) return
  const nearest = suggest(
    name,
    (await listCounters(client, keys)).map((counter) => counter.name),
  )
  const advice = nearest === undefined ? '' : `: did you mean ${nearest}?`
  out.note(`queue ${queue} has no counter ${name} yet, so it reads as 0${advice}`)
}

interface Asked {
  readonly queue: string | undefined
  readonly name: string | undefined
  readonly span: Span | undefined
}

function show(out: Output, { values: found, unreadable }: QueuesRead<CountersOfQueue>, asked: Asked): void {
  const { queue, name, span } = asked
  const [only] = found[0]?.counters ?? []
  if (out.json) {
    const problem = unreadable[0]?.problem
    const queues = [...found, ...unreadable]
    out.printJson(name === undefined ? { by: span?.by, queues } : { queue, by: span?.by, ...only, problem })
  } else if (found.length === 0 && unreadable.length > 0) {
    return
  } else if (span !== undefined) showSeries(out, found, span)
  else if (name !== undefined && only !== undefined) out.print(String(only.value))
  else showValues(out, found)
}

function showValues(out: Output, found: readonly CountersOfQueue[]): void {
  const rows = found.flatMap((each) => each.counters.map((counter) => [each.queue, counter.name, showValue(counter)]))
  if (rows.length === 0) out.note('no counters yet: a job adds to one with ctx.counter(name).add(number)')
  else out.print(formatTable([['QUEUE', 'COUNTER', 'VALUE'], ...rows]))
}

function showValue({ value }: CounterValue): number | string {
  return value ?? 'not an integer'
}

function showSeries(out: Output, found: readonly CountersOfQueue[], { by }: Span): void {
  const rows = found.flatMap(({ queue, counters }) =>
    counters.flatMap(({ name, points = [] }) =>
      points
        .filter(({ value }) => value !== 0)
        .map(({ at, value }) => [new Date(at).toISOString().slice(0, 16).concat('Z'), queue, name, value]),
    ),
  )
  if (rows.length === 0) out.note('nothing was added in that time')
  else out.print(formatTable([[by.toUpperCase(), 'QUEUE', 'COUNTER', 'ADDED'], ...rows]))
}
