// Row F31: for minutes, random faults on both sides of Redis while jobs come and run, and what must not grow meanwhile.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { queueKeys } from '../../src/redis/index.js'
import { type FaultProxy, startFaultProxy } from '../../src/testing/index.js'
import type { TestRedis } from '../support/redis.js'
import type { Noted } from './ledger-file.js'
import type { FaultProcess } from './processes.js'
import { endOfBacklog, untilFreshEnd } from './redis-load.js'
import type { RowContext } from './row.js'

export interface Soak {
  readonly context: RowContext<unknown>
  readonly server: TestRedis
  readonly toWorkers: FaultProxy
  readonly toProducers: FaultProxy
  readonly workers: FaultProcess[]
  startWorker(): Promise<FaultProcess>
  /** Starts Redis again, with the way of writing that `useFsync` set. */
  restart(): Promise<void>
  useFsync(appendfsync: Fsync): Promise<void>
}

export type Fsync = 'everysec' | 'always'

export async function openSoak(context: RowContext<unknown>): Promise<Soak> {
  const server = await context.startRedis()
  const open = () => startFaultProxy({ target: server.url })
  const [toWorkers, toProducers] = await Promise.all([open(), open()])
  const startWorker = () => context.startWorker({ redis: toWorkers.url })
  const workers = await Promise.all([startWorker(), startWorker()])
  let current: Fsync = 'everysec'
  const useFsync = async (appendfsync: Fsync) => {
    current = appendfsync
    await server.cli('CONFIG', 'SET', 'appendfsync', appendfsync)
  }
  const restart = async () => {
    await server.restart()
    await useFsync(current)
  }
  return { context, server, toWorkers, toProducers, workers, startWorker, restart, useFsync }
}

type Strike = (soak: Soak) => Promise<void>

/** Each of these leaves the system able to get well again by itself. */
export const STRIKES: Readonly<Record<string, Strike>> = {
  'worker-killed': async ({ context, workers, startWorker }) => {
    const [victim] = workers.splice(context.random.below(workers.length), 1)
    if (victim) await context.kill(victim, 'worker-killed')
    workers.push(await startWorker())
  },
  'redis-killed': async ({ context, server, restart }) => {
    await context.killRedis(server)
    await restart()
  },
  'redis-away': async ({ context, server, restart }) => {
    await context.killRedis(server)
    await sleep(200 + context.random.below(3_000))
    await restart()
  },
  'half-open': async ({ toWorkers, toProducers }) => {
    for (const proxy of [toWorkers, toProducers]) proxy.set('silent', 'open')
  },
  cut: async ({ toWorkers, toProducers }) => {
    for (const proxy of [toWorkers, toProducers]) proxy.set('cut', 'open')
  },
  'replies-lost': async ({ context, toWorkers, toProducers }) => {
    const proxy = context.random.pick([toWorkers, toProducers])
    proxy.set({
      mode: 'dropReply',
      matching: context.random.pick(['evalsha', 'fcall']),
      count: 1 + context.random.below(5),
    })
  },
  slow: async ({ context, toWorkers }) => {
    toWorkers.set({ mode: 'throttle', delayMs: context.random.below(100) })
    await sleep(500)
    toWorkers.set('pass')
  },
  'script-flush': async ({ server }) => void (await server.cli('SCRIPT', 'FLUSH')),
  'function-flush': async ({ server }) => void (await server.cli('FUNCTION', 'FLUSH')),
  'client-kill': async ({ server }) => void (await server.cli('CLIENT', 'KILL', 'TYPE', 'normal')),
  'memory-taken': async ({ server }) => {
    await server.cli('CONFIG', 'SET', 'maxmemory', '1')
    await sleep(500)
    await server.cli('CONFIG', 'SET', 'maxmemory', '0')
  },
}

/** One random fault, its kind, and the milliseconds until a producer and a worker had reached Redis again. */
export async function strikeAtRandom(soak: Soak, producer: FaultProcess): Promise<{ kind: string; ms: number }> {
  const kind = soak.context.random.pick(Object.keys(STRIKES))
  await STRIKES[kind]?.(soak)
  soak.context.fault(kind)
  const load = { redis: soak.server.url, producer }
  const ms = await untilFreshEnd(soak.context, load, endOfBacklog)
  soak.context.recovered(ms)
  return { kind, ms }
}

/** How often Redis was killed with each way of writing, and how often it had jobs then that it had not written. */
export function countDowns(lines: readonly Noted[]): string {
  const downs = lines.flatMap((line) => (line.e === 'redis-down' ? [line] : []))
  const of = (appendfsync: string) => downs.filter((down) => down.appendfsync === appendfsync)
  const syncing = of('everysec').filter(({ pendingFsyncs }) => pendingFsyncs > 0)
  const mostBytes = Math.max(0, ...syncing.map(({ bufferBytes }) => bufferBytes))
  return `everysec:${of('everysec').length},always:${of('always').length},whileSyncing:${syncing.length},mostUnwrittenBytes:${mostBytes}`
}

export interface Sample {
  readonly atMs: number
  /** Resident memory of the workers that have lived since the start. */
  readonly rssBytes: number
  /** Keys of the queue that belong to no single job: those must not grow with the jobs. */
  readonly sharedKeys: number
  readonly clients: number
}

export async function takeSample(soak: Soak): Promise<Sample> {
  const redis = soak.context.connect(soak.server.url)
  const { base, bullBase } = queueKeys('drover', soak.context.queue)
  const names = await redis.keys('*')
  const perJob = new RegExp(`^(${literal(bullBase)}|${literal(base)}result:)j-\\d+(:.*)?$`)
  const info = await redis.info('clients')
  return {
    atMs: performance.now(),
    rssBytes: Math.max(0, ...soak.workers.map(({ pid }) => residentBytes(pid))),
    sharedKeys: names.filter((name) => !perJob.test(name)).length,
    clients: Number(/connected_clients:(\d+)/.exec(info)?.[1]),
  }
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  } catch {
    // Killed just now, or a system without /proc.
    return 0
  }
}

/** By how much of its mean a figure grows in an hour, by the least squares of its samples. */
export function slopePerHour(samples: readonly Sample[], figure: (sample: Sample) => number): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [at, value] = [mean(samples.map(({ atMs }) => atMs)), mean(samples.map(figure))]
  const above = samples.reduce((sum, sample) => sum + (sample.atMs - at) * (figure(sample) - value), 0)
  const below = samples.reduce((sum, sample) => sum + (sample.atMs - at) ** 2, 0)
  return below === 0 || value === 0 ? 0 : Math.round((above / below / value) * 3_600_000 * 1_000) / 1_000
}
