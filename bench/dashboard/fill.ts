// Fills a Redis as a month of work would have: a part of the jobs runs for real, and the rest is made like those, so that
// every record and set has the form that BullMQ and Drover write. Waiting jobs are enqueued for real.
import { readFileSync } from 'node:fs'
import { createProducer, defineJob } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'
import { writeAudit } from '../../src/ledger/index.js'
import { queueKeys, queuesKey } from '../../src/redis/index.js'

const PREFIX = 'drover'
export const QUEUES = 50
const JOBS_OF_QUEUE = ['image.resize', 'mail.send', 'report.build', 'order.sync']
/** Jobs of a queue that run for real; every tenth fails. */
const REAL_JOBS = 40
/** Finished jobs of which one has failed: as many as BullMQ keeps by default at full size. */
const FAILED_SHARE = 100
const CHUNK = 1_000
const AUDIT_ENTRIES = 1_000
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
/** Stats by minute for the last hours, by hour for the last week: what the longest range of a chart reads. */
const MINUTES_BACK = 6 * 60
const HOURS_BACK = 168
const cloneJobsLua = readFileSync(new URL('./clone-jobs.lua', import.meta.url), 'utf8')

export const queueName = (index: number) => `queue-${String(index).padStart(2, '0')}`
const input = z.object({ n: z.number(), url: z.string(), note: z.string() })

export function contractsOf(queue: string) {
  return JOBS_OF_QUEUE.map((name) => defineJob({ name, queue, input, attempts: 1, keepResult: '30d' }))
}

/** Finished and waiting jobs, over 50 queues. */
export async function fill(url: string, finished: number, waiting: number): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: null })
  const contracts = Array.from({ length: QUEUES }, (_, index) => contractsOf(queueName(index)))
  await runSome(url, redis, contracts)
  await withoutLog(redis, async () => {
    for (let index = 0; index < QUEUES; index++) {
      await cloneJobs(redis, queueName(index), Math.floor(finished / QUEUES) - REAL_JOBS)
      await cloneStats(redis, queueName(index))
    }
  })
  const producer = createProducer({ redis: url, timeout: '60s' })
  for (const [index, [contract]] of contracts.entries()) {
    if (contract) await producer.enqueueBulk(contract, inputs(Math.floor(waiting / QUEUES), index))
  }
  await producer.close()
  await fillAudit(redis)
  redis.disconnect()
}

async function fillAudit(redis: Redis): Promise<void> {
  const entry = { who: 'ann', role: 'operator', action: 'jobs.cancel', result: 'done', count: 1_204 } as const
  for (let n = 0; n < AUDIT_ENTRIES; n++) {
    await writeAudit(redis as never, PREFIX, { ...entry, target: queueName(n % QUEUES), filter: 'state waiting' })
  }
}

/** What is copied need not be on disk as it is written: the append-only file is made anew behind it. */
async function withoutLog(redis: Redis, write: () => Promise<void>): Promise<void> {
  const [, appendonly = 'no'] = (await redis.config('GET', 'appendonly')) as string[]
  await redis.config('SET', 'appendonly', 'no')
  await write()
  await redis.config('SET', 'appendonly', appendonly)
  while (/aof_rewrite_in_progress:1|aof_rewrite_scheduled:1/.test(await redis.info('persistence'))) {
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function runSome(url: string, redis: Redis, contracts: readonly ReturnType<typeof contractsOf>[]): Promise<void> {
  const producer = createProducer({ redis: url, timeout: '60s' })
  for (const [index, ofQueue] of contracts.entries()) {
    const share = REAL_JOBS / ofQueue.length
    for (const contract of ofQueue) await producer.enqueueBulk(contract, inputs(share, index), { tags: ['eu'] })
  }
  const handlers = contracts.flat().map((contract) =>
    handle(contract, (given, ctx) => {
      ctx.log.info(`fetching ${given.url}`)
      ctx.counter('bytes').add(1_000 + given.n)
      ctx.counter('done').add(1)
      if (given.n % 10 === 9) throw new Error(`host ${given.n}.example answered 502`)
      return { ok: true, n: given.n, bytes: 48_211, url: given.url, words: ['résumé', 'β'], nested: { a: [1, 2, 3] } }
    }),
  )
  const worker = await createWorker({
    redis: url,
    handlers,
    concurrency: 4,
    keepCompleted: 1_000_000,
    logger: pino({ level: 'silent' }),
  })
  const isDone = async () => {
    for (let index = 0; index < QUEUES; index++) {
      const { bullBase } = queueKeys(PREFIX, queueName(index))
      const [done, failed] = [await redis.zcard(`${bullBase}completed`), await redis.zcard(`${bullBase}failed`)]
      if (done + failed < REAL_JOBS) return false
    }
    return true
  }
  while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 100))
  await worker.close()
  await producer.close()
}

function* inputs(count: number, queue: number): Generator<{ n: number; url: string; note: string }> {
  for (let n = 0; n < count; n++) yield { n, url: `https://cdn.example/${queue}/${n}.png`, note: 'x'.repeat(120) }
}

async function cloneJobs(redis: Redis, queue: string, count: number): Promise<void> {
  const keys = queueKeys(PREFIX, queue)
  const now = Date.now()
  const failed = Math.floor(count / FAILED_SHARE)
  const groups = await redis.zrange(keys.errors, '0', '-1')
  const kinds: { set: string; like: string[]; count: number; group?: string }[] = [
    { set: 'completed', like: await redis.zrange(`${keys.bullBase}completed`, '0', '-1'), count: count - failed },
  ]
  for (const group of groups) {
    const like = await redis.zrange(keys.errorJobs(group), '0', '-1')
    kinds.push({ set: 'failed', like, count: Math.floor(failed / groups.length), group })
  }
  for (const { set, like, count: wanted, group = '' } of kinds) {
    const stepMs = Math.max(1, Math.floor(DAY_MS / wanted))
    for (let first = 0; first < wanted; first += CHUNK) {
      const some = Math.min(CHUNK, wanted - first)
      // The tag's set holds the newest 10,000, and those of the real jobs: it is filled from the end.
      const isTagged = set === 'completed' && wanted - first <= 9_000
      const firstAt = now - DAY_MS + first * stepMs
      const names = [`${keys.bullBase}${set}`, keys.errorJobs(group || 'none'), keys.tagged('eu')]
      const flags = [group === '' ? '' : '1', isTagged ? '1' : '']
      const ids = `${set}-${group}-`
      await redis.eval(
        cloneJobsLua,
        names.length,
        ...names,
        ...[keys.bullBase, `${keys.base}result:`, ids, first, some, firstAt, stepMs, 30 * DAY_MS, ...flags, ...like],
      )
    }
    const totals = await redis.hkeys(keys.totals)
    const counted = totals.filter((field) => field.endsWith(`:${set}`))
    for (const field of counted) await redis.hincrby(keys.totals, field, Math.floor(wanted / counted.length))
  }
}

/** Every minute of the last hours, and every hour of the last week, looks like the minute of the real jobs. */
async function cloneStats(redis: Redis, queue: string): Promise<void> {
  const keys = queueKeys(PREFIX, queue)
  const now = Date.now()
  const minute = Math.floor(now / MINUTE_MS)
  const found = await Promise.all([minute, minute - 1, minute - 2].map((each) => redis.exists(keys.stats(each))))
  const like = keys.stats(minute - Math.max(0, found.indexOf(1)))
  const pipeline = redis.pipeline()
  for (let back = 0; back < MINUTES_BACK; back++) pipeline.copy(like, keys.stats(minute - back))
  for (let back = 1; back <= HOURS_BACK; back++) pipeline.copy(like, keys.statsHour(Math.floor(now / HOUR_MS) - back))
  await pipeline.exec()
}

/** That the fill is what it says: finished and waiting jobs of all queues. */
export async function countJobs(url: string): Promise<{ queues: number; finished: number; waiting: number }> {
  const redis = new Redis(url)
  const queues = await redis.smembers(queuesKey(PREFIX))
  let finished = 0
  let waiting = 0
  for (const queue of queues) {
    const { bullBase } = queueKeys(PREFIX, queue)
    finished += (await redis.zcard(`${bullBase}completed`)) + (await redis.zcard(`${bullBase}failed`))
    waiting += await redis.llen(`${bullBase}wait`)
  }
  redis.disconnect()
  return { queues: queues.length, finished, waiting }
}
