// How long every page takes over a full Redis, and what each costs it: the slowest command, and that nothing scans.
import { Redis } from 'ioredis'
import { queueKeys } from '../../src/redis/index.js'
import { createFleet } from '../scenarios/fleet.js'
import { quantile } from '../scenarios/shared.js'
import { QUEUES, queueName } from './fill.js'
import { keepOnCore, startDashboard } from './start-dashboard.js'

/** Between two rounds: the overview is read again then, and the first page of a round pays for it. */
const ROUND_MS = 1_050
const SLOW_MICROS = 200
/** Workers that tell of themselves meanwhile, and run nothing. */
const WORKERS = 100
const WEEK_MS = 7 * 86_400_000
export const GOAL_PAGE_MS = 200
export const GOAL_COMMAND_MS = 5

export interface PageFigures {
  readonly page: string
  readonly requests: number
  /** The first request of all, which finds nothing read yet. */
  readonly firstMs: number
  readonly p50Ms: number
  readonly p95Ms: number
}

export interface SlowCommand {
  readonly command: string
  readonly times: number
  readonly medianMs: number
  readonly worstMs: number
  /** How often it took longer than the goal, by Redis's own clock. */
  readonly overGoal: number
}

export interface PagesFigures {
  readonly pages: readonly PageFigures[]
  /** Commands that took longer than SLOW_MICROS, by what they are: those that take long each time, not now and then, first. */
  readonly slow: readonly SlowCommand[]
  /** How many of all commands took longer than the goal: a machine that is busy makes some do so. */
  readonly slowerThanGoal: number
  readonly commands: number
  /** Commands that walk through all keys, or through all of one: must be empty. */
  readonly scans: readonly string[]
  readonly isOneCore: boolean
}

export async function measurePages(redisUrl: string, rounds: number): Promise<PagesFigures> {
  const redis = new Redis(redisUrl)
  const fleet = createFleet(redisUrl, WORKERS, (n) => queueName(n % QUEUES))
  for (const member of fleet.members) member.start()
  const pages = await pagesOf(redis, fleet.members[0]?.id ?? '')
  const dashboard = await startDashboard(redisUrl)
  const pid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1])
  // Redis on another: a command that waits for its turn on the core would look slow.
  const isOneCore = keepOnCore(dashboard.pid, 0) && keepOnCore(pid, 1)
  await redis.config('SET', 'slowlog-log-slower-than', SLOW_MICROS)
  await redis.config('SET', 'slowlog-max-len', 10_000)
  await redis.call('SLOWLOG', 'RESET')
  await redis.config('RESETSTAT')
  const times = new Map<string, number[]>(pages.map((page) => [page, []]))
  const first = new Map<string, number>()
  for (const page of pages) first.set(page, await timeOf(dashboard.url, page))
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now()
    for (let at = 0; at < pages.length; at++) {
      const page = pages[(round + at) % pages.length] ?? ''
      times.get(page)?.push(await timeOf(dashboard.url, page))
    }
    const restMs = ROUND_MS - (performance.now() - startedAt)
    if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs))
  }
  const cost = await readCost(redis)
  await dashboard.close()
  await fleet.close()
  redis.disconnect()
  return {
    pages: pages.map((page) => {
      const sorted = (times.get(page) ?? []).toSorted((a, b) => a - b)
      return {
        page,
        requests: sorted.length,
        firstMs: first.get(page) ?? 0,
        p50Ms: quantile(sorted, 0.5),
        p95Ms: quantile(sorted, 0.95),
      }
    }),
    ...cost,
    isOneCore,
  }
}

async function pagesOf(redis: Redis, worker: string): Promise<string[]> {
  const queue = queueName(7)
  const keys = queueKeys('drover', queue)
  const newest = async (set: string) => (await redis.zrevrange(`${keys.bullBase}${set}`, 0, 0))[0] ?? ''
  const [waiting = ''] = await redis.lrange(`${keys.bullBase}wait`, -1, -1)
  const [group = ''] = await redis.zrange(keys.errors, '0', '0')
  const done = await newest('completed')
  return [
    ...['/', '/?range=6h', '/?range=24h', '/?range=7d', `/?range=7d&queue=${queue}`, '/overview.json', '/metrics'],
    ...['/errors', `/errors?queue=${queue}&job=mail.send`, `/errors/${queue}/${group}`],
    ...['/results', '/results?state=failed', '/results?state=waiting', '/results?job=mail.send'],
    ...['/results?tag=eu', `/results?q=${done}`, `/results?queue=${queue}&state=completed`],
    ...[done, await newest('failed'), waiting].map((id) => `/results/${queue}/${id}`),
    ...['/counters', '/counters.csv', `/counters/${queue}/bytes`, `/counters/${queue}/bytes?range=7d`],
    ...['/counters.json', `/counters/${queue}/bytes/series.json?range=7d`, `/results/${queue}/${done}/edit`],
    ...[`/bulk?do=cancel&queue=${queue}&state=waiting`, '/add', `/add/${queue}/mail.send`, '/schedules'],
    ...['/workers', `/workers/${encodeURIComponent(worker)}`, '/audit', '/sign-in', '/livez', '/readyz', '/queues/'],
    ...[`/queues/api/queues?activeQueue=${queue}&status=latest&page=1&jobsPerPage=10`],
    ...[`/queues/api/queues?activeQueue=${queue}&status=completed&page=500&jobsPerPage=10`],
    ...[`/queues/api/queues/${queue}/${done}`, `/queues/api/queues/${queue}/metrics`, '/queues/api/job-schedulers'],
    ...['history?metric=completed', 'latency?metric=runtime&percentiles=50,95,99'].map(
      (asked) => `/queues/api/metrics/${asked}&granularity=day&from=${Date.now() - WEEK_MS}&to=${Date.now()}`,
    ),
  ]
}

async function timeOf(url: string, page: string): Promise<number> {
  const startedAt = performance.now()
  const answer = await fetch(url + page, { headers: { accept: page.includes('/api/') ? '*/*' : 'text/html' } })
  await answer.arrayBuffer()
  if (!answer.ok) throw new Error(`${page} answered ${answer.status}`)
  return performance.now() - startedAt
}

async function readCost(redis: Redis): Promise<Pick<PagesFigures, 'slow' | 'slowerThanGoal' | 'commands' | 'scans'>> {
  const stats = await redis.info('commandstats')
  const entries = (await redis.call('SLOWLOG', 'GET', '-1')) as [number, number, number, string[]][]
  const ofCommand = new Map<string, number[]>()
  for (const [, , micros, words] of entries) {
    const command = shapeOf(words)
    ofCommand.set(command, [...(ofCommand.get(command) ?? []), micros / 1_000])
  }
  const calls = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return {
    slow: [...ofCommand]
      .map(([command, ms]) => {
        const sorted = ms.toSorted((a, b) => a - b)
        const overGoal = ms.filter((each) => each > GOAL_COMMAND_MS).length
        return { command, times: ms.length, medianMs: quantile(sorted, 0.5), worstMs: sorted.at(-1) ?? 0, overGoal }
      })
      .sort((a, b) => b.medianMs - a.medianMs),
    slowerThanGoal: entries.filter(([, , micros]) => micros > GOAL_COMMAND_MS * 1_000).length,
    commands: calls.reduce((sum, [, , count]) => sum + Number(count), 0),
    scans: calls.map(([, name = '']) => name).filter((name) => /scan$|^keys$|^sort/.test(name)),
  }
}

/** The command and its first key without what differs: queues, ids, minutes. */
function shapeOf([command = '', first = '', , key = '']: readonly string[]): string {
  const isScript = /^eval/i.test(command)
  const place = (isScript ? key : first).replace(/queue-\d+/g, 'q').replace(/[\w-]*\d[\w-]*/g, '*')
  const words = isScript
    ? first
        .replace(/\s+/g, ' ')
        .replace(/^--\[\[ /, '')
        .slice(0, 40)
    : ''
  return `${command.toLowerCase()} ${place} ${words}`.trim()
}
