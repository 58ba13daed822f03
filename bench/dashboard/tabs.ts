// What open tabs cost: one, and fifty of the same page; and what fifty take from workers that are busy meanwhile.
import { type ClientRequest, get } from 'node:http'
import { Redis } from 'ioredis'
import { redisCpuSeconds } from '../scenarios/shared.js'
import { type BenchDashboard, startDashboard } from './start-dashboard.js'

const PAGES = ['/', '/results', '/errors', '/counters', '/workers']
export const TABS = 50

export interface TabsFigures {
  readonly tabs: number
  readonly pages: number
  readonly commandsPerSecond: number
  readonly redisCpuPercent: number
  readonly dashboardCpuPercent: number
}

/** Opens tabs that follow pages, the way the page's own script does. Closing ends them. */
export async function openTabs(url: string, count: number, pages = 1): Promise<() => void> {
  const tabs: ClientRequest[] = []
  const opened = Array.from({ length: count }, (_, index) => {
    return new Promise<void>((resolve, reject) => {
      const page = PAGES[index % pages] ?? '/'
      const tab = get(url + page, { headers: { accept: 'text/event-stream' }, agent: false }, (answer) => {
        if (answer.statusCode !== 200) reject(new Error(`${page} answered ${answer.statusCode}`))
        answer.on('error', () => undefined)
        answer.resume()
        resolve()
      })
      tab.on('error', reject)
      tabs.push(tab)
    })
  })
  await Promise.all(opened)
  return () => {
    for (const tab of tabs) tab.on('error', () => undefined).destroy()
  }
}

export async function measureTabs(redisUrl: string, seconds: number): Promise<TabsFigures[]> {
  const redis = new Redis(redisUrl)
  const dashboard = await startDashboard(redisUrl)
  const figures: TabsFigures[] = []
  for (const [tabs, pages] of [
    [0, 0],
    [1, 1],
    [TABS, 1],
    [PAGES.length, PAGES.length],
    [TABS, PAGES.length],
  ] as const) {
    figures.push(await measure(redis, dashboard, tabs, pages, seconds))
  }
  await dashboard.close()
  redis.disconnect()
  return figures
}

async function measure(
  redis: Redis,
  dashboard: BenchDashboard,
  tabs: number,
  pages: number,
  seconds: number,
): Promise<TabsFigures> {
  const close = await openTabs(dashboard.url, tabs, Math.max(1, pages))
  // What was read once is not read again: it is the running cost that counts.
  await rest(4)
  const before = await readUse(redis, dashboard)
  await rest(seconds)
  const after = await readUse(redis, dashboard)
  close()
  const per = (name: keyof typeof before) => (after[name] - before[name]) / ((after.atMs - before.atMs) / 1_000)
  return {
    tabs,
    pages,
    commandsPerSecond: per('commands'),
    redisCpuPercent: 100 * per('redisCpu'),
    dashboardCpuPercent: 100 * per('dashboardCpu'),
  }
}

async function readUse(redis: Redis, dashboard: BenchDashboard) {
  const commands = Number(/total_commands_processed:(\d+)/.exec(await redis.info('stats'))?.[1])
  const redisCpu = await redisCpuSeconds(redis)
  const dashboardCpu = await dashboard.cpuSeconds()
  return { atMs: performance.now(), commands, redisCpu, dashboardCpu }
}

function rest(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
}
