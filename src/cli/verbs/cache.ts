// `drover cache`: what the result caches of jobs did, and taking results out of them.
import type { Command } from 'commander'
import { InvalidOptionError, QueueNotFoundError, suggest, UsageError } from '../../job/index.js'
import { listCounters, readEachQueue, type UnreadableQueue } from '../../ledger/index.js'
import { type CacheStats, createProducer } from '../../producer/index.js'
import { checkQueueName, type KeysOfQueue, queueKeys, queuesKey, type RedisClient } from '../../redis/index.js'
import { readInput } from '../enqueue/read-input.js'
import { EXIT_CODES } from '../exit-codes.js'
import { loadContract } from '../job-modules.js'
import { formatTable, type Output } from '../output.js'
import { noteUnreadable } from '../queue-table.js'
import { redisOf, withRedis } from '../redis-connection.js'
import { addSettings, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const ACTIONS = ['list', 'invalidate', 'clear'] as const
const COUNTER = /^cache:(.+):(hits|shared|misses)$/

type CacheOfJob = CacheStats & { readonly queue: string; readonly job: string }

export const cache: Verb = {
  define(command: Command): void {
    command
      .argument('[action]', `${ACTIONS.join(', ')} (default: list)`)
      .argument('[name]', 'list: one queue (default: all); else the job, from a contract in the job files')
      .option('--input <json>', 'invalidate: the input, as JSON, @file, or - for standard input')
      .option('--key <key>', 'invalidate: what cache.key of the contract gives for the input')
    addSettings(command, ['redis', 'prefix', 'timeout', 'jobs', 'durability', 'allowVolatile'])
    command.addHelpText(
      'after',
      `
list shows how often an input was answered by a stored result (hits), by a run under way (shared), or ran (misses).
invalidate lets the next equal input run anew; clear does so for all inputs of a job. Jobs under way go on.

Examples:
  $ drover cache
  $ drover cache invalidate image.resize --input '{"url":"https://example.com/cat.jpg","width":800}'
  $ drover cache invalidate image.resize --key cat.jpg
  $ drover cache clear image.resize`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [action = 'list', name] = args
    if (!(ACTIONS as readonly string[]).includes(action)) throw unknownAction(action)
    const { input, key } = options
    const givesOne = (input === undefined) !== (key === undefined)
    if (action === 'invalidate' ? !givesOne : input !== undefined || key !== undefined) {
      throw new UsageError('invalidate takes either --input or --key, and no other action takes one')
    }
    if (action === 'list') return list(name, options, out)
    if (name === undefined) throw new UsageError(`expected: cache ${action} <job>`)
    const settings = await readSettings(options)
    const contract = await loadContract(name, settings.jobs, process.cwd())
    if (contract.cache === undefined) throw new InvalidOptionError('job', 'one whose contract has cache', name)
    const { queue } = contract
    const { prefix, durability, allowVolatile } = settings
    const which = typeof key === 'string' ? { key } : { input: action === 'clear' ? null : await readInput(input) }
    const redis = redisOf(settings)
    await using producer = createProducer({ redis, prefix, timeout: settings.timeoutMs, durability, allowVolatile })
    if (action === 'clear') {
      await producer.cache.clear(contract)
      if (out.json) out.printJson({ queue, job: name, cleared: true })
      else out.print(`all inputs of ${name} run anew`)
    } else {
      const invalidated = await producer.cache.invalidate(contract, which)
      if (out.json) out.printJson({ queue, job: name, invalidated })
      else out.print(invalidated ? 'the next equal input runs anew' : 'nothing is stored for it')
    }
    return EXIT_CODES.ok.code
  },
}

async function list(queue: string | undefined, options: VerbCall['options'], out: Output): Promise<number> {
  if (queue !== undefined) checkQueueName(queue)
  const settings = await readSettings(options)
  const { prefix } = settings
  const { values, unreadable } = await withRedis(settings, async (client) => {
    const queues = (await client.smembers(queuesKey(prefix))).sort()
    if (queue !== undefined && !queues.includes(queue)) {
      throw new QueueNotFoundError(queue, prefix, suggest(queue, queues))
    }
    const asked = queue === undefined ? queues : [queue]
    const keysOf = (one: string) => queueKeys(prefix, one)
    return readEachQueue(client, keysOf, asked, (one) => readCaches(client, keysOf(one), one))
  })
  const caches = values.flat()
  if (out.json) out.printJson({ caches, unreadable })
  else showCaches(out, caches, unreadable)
  return unreadable.length === 0 ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
}

function showCaches(out: Output, caches: readonly CacheOfJob[], unreadable: readonly UnreadableQueue[]): void {
  noteUnreadable(out, unreadable)
  if (caches.length === 0 && unreadable.length > 0) return
  if (caches.length === 0) out.note('no job with a cache was enqueued yet: a contract has one with cache: { ttl }')
  else {
    const rows = caches.map(({ queue: of, job, hits, shared, misses }) => [of, job, hits, shared, misses])
    out.print(formatTable([['QUEUE', 'JOB', 'HITS', 'SHARED', 'MISSES'], ...rows]))
  }
}

/** From the counters of the queue, so that no job file is needed. */
async function readCaches(client: RedisClient, keys: KeysOfQueue, queue: string): Promise<CacheOfJob[]> {
  const jobs = new Map<string, { hits: number; shared: number; misses: number }>()
  for (const { name, value } of await listCounters(client, keys)) {
    const [, job, what] = COUNTER.exec(name) ?? []
    if (job === undefined) continue
    const stats = jobs.get(job) ?? { hits: 0, shared: 0, misses: 0 }
    jobs.set(job, { ...stats, [what as keyof CacheStats]: value ?? 0 })
  }
  return [...jobs].map(([job, stats]) => ({ queue, job, ...stats }))
}

function unknownAction(action: string): UsageError {
  const nearest = suggest(action, ACTIONS)
  const advice = nearest === undefined ? `expected one of ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
  return new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
}
