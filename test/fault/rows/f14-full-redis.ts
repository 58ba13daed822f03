// F14: Redis is full and evicts nothing. First enqueues fill it, until they are refused; then another tenant takes the
// last of its memory from under the workers.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FaultProcess } from '../processes.js'
import { countEnded, endLoad } from '../redis-load.js'
import { defineRow, type RowContext } from '../row.js'

interface Size {
  readonly megabytes: number
  /** More than fit. */
  readonly jobs: number
  readonly inputBytes: number
  /** How long another tenant leaves no byte free. */
  readonly fullSeconds: number
}

// The first line of each comes at once, beside the one of each second: of fetches, locks, heartbeats, schedules.
const KINDS_OF_TROUBLE = 4
const REFUSALS = ['REDIS_FULL', 'STORE_FULL']

export default defineRow<Size>({
  name: 'F14',
  title: 'a full Redis refuses whole enqueues, and drains by itself',
  small: { megabytes: 8, jobs: 400, inputBytes: 20_000, fullSeconds: 2 },
  full: { megabytes: 24, jobs: 6_000, inputBytes: 5_000, fullSeconds: 30 },
  run: async (context) => {
    const { size } = context
    const { url } = await context.startRedis()
    const redis = context.connect(url)
    const usedBytes = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
    await redis.config('SET', 'maxmemory', usedBytes + size.megabytes * 2 ** 20)
    context.fault('memory-full')
    const padding = 'x'.repeat(size.inputBytes)
    const jobs = context.plan(size.jobs, () => ({ ms: 1, padding }) as object)
    const producer = context.startProducer({ redis: url, jobs })
    await context.finish(producer)
    const refused = context.ledger().filter((line) => line.e === 'refused')
    const codes = [...new Set(refused.map(({ code }) => code))].join(', ')
    context.figure('refused', `${refused.length} (${codes})`)
    context.require(
      refused.length > 0 && refused.every(({ code }) => REFUSALS.includes(code)),
      'no-refusal',
      `expected enqueues to be refused for lack of memory, got ${codes || 'none'}`,
    )
    context.figure('usedShareWhenRefused', await usedShare(context, url))

    // Drains with nobody's help: no memory is given, nothing is restarted.
    const start = () => context.startWorker({ redis: url, concurrency: 4 })
    const workers = await Promise.all([start(), start()])
    await context.drain(url)
    context.figure('usedShareWhenDrained', await usedShare(context, url))

    const { lines, seconds } = await withoutMemory(context, url, workers)
    context.figure('logLinesPerSecondOfAWorker', Math.round((lines / seconds) * 10) / 10)
    const most = Math.ceil(seconds) + KINDS_OF_TROUBLE
    context.require(
      lines <= most,
      'log-storm',
      `${lines} log lines in ${seconds.toFixed(1)} s, at most ${most} are right`,
    )
    await endLoad(context, { producer, workers }, { url })
  },
})

/** Takes all memory while jobs wait, for a time; gives how long it was, and the most log lines that a worker wrote in it. */
async function withoutMemory(context: RowContext<Size>, url: string, workers: readonly FaultProcess[]) {
  const { fullSeconds } = context.size
  const redis = context.connect(url)
  const limit = (await redis.config('GET', 'maxmemory'))[1] ?? '0'
  await redis.config('SET', 'maxmemory', 0)
  const late = context.plan(50 * fullSeconds, () => ({ ms: 200 }), 1_000_000)
  await context.finish(context.startProducer({ redis: url, jobs: late }))
  context.fault('memory-taken')
  await redis.config('SET', 'maxmemory', 1)
  // The clock first, and the lines first at the end: a pause between the two makes no line too many.
  const [from, before] = [performance.now(), workers.map(countLines)]
  // How long there is no memory is the fault itself.
  await sleep(fullSeconds * 1_000)
  const written = workers.map((worker, index) => countLines(worker) - (before[index] ?? 0))
  const seconds = (performance.now() - from) / 1_000
  const ended = await countEnded(context, url)
  await redis.config('SET', 'maxmemory', 0)
  await context.drain(url)
  context.figure('endedWhenMemoryCame', ended)
  await redis.config('SET', 'maxmemory', limit)
  return { lines: Math.max(...written), seconds }
}

const countLines = (worker: FaultProcess) => readFileSync(worker.log, 'utf8').split('\n').length - 1

async function usedShare(context: RowContext<Size>, url: string): Promise<number> {
  const info = await context.connect(url).info('memory')
  const of = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
  return Math.round((100 * of('used_memory')) / of('maxmemory')) / 100
}
