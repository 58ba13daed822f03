// The dashboard's rows of `npm run bench`: `--only dashboard`, or one of them by its name. Each prints what it measured beside
// its goal.
import { countJobs, fill } from './fill.js'
import { GOAL_COMMAND_MS, GOAL_PAGE_MS, measurePages } from './pages.js'
import { measureTabs } from './tabs.js'
import { type Change, GOAL_CHANGE_PERCENT, measureThroughput } from './throughput.js'

const FINISHED = 1_000_000
const WAITING = 100_000

const ROWS = {
  'dashboard pages': async (url: string, scale: number) => {
    const figures = await measurePages(url, Math.max(20, Math.round(60 * Math.min(1, scale))))
    console.log('page                                                          first ms    p50      p95')
    for (const { page, firstMs, p50Ms, p95Ms } of figures.pages) {
      const mark = p95Ms > GOAL_PAGE_MS ? ' over the goal' : ''
      console.log(`${page.slice(0, 60).padEnd(60)} ${cell(firstMs)} ${cell(p50Ms)} ${cell(p95Ms)}${mark}`)
    }
    const { slow, slowerThanGoal, commands, scans, isOneCore } = figures
    console.log(`the dashboard on one core: ${isOneCore ? 'yes' : 'no'}`)
    console.log(`${commands} commands, ${slowerThanGoal} of them over ${GOAL_COMMAND_MS} ms; slowest by their median:`)
    const shown = [...slow.slice(0, 8), ...slow.slice(8).filter(({ overGoal }) => overGoal > 0)]
    for (const { command, times, medianMs, worstMs, overGoal } of shown) {
      const over = overGoal > 0 ? `, ${overGoal} over the goal` : ''
      console.log(`  ${medianMs.toFixed(2)} ms, worst ${worstMs.toFixed(1)} ms, ${times} times  ${command}${over}`)
    }
    console.log(`commands that scan: ${scans.join(', ') || 'none'}`)
    return figures
  },
  'dashboard tabs': async (url: string) => {
    const figures = await measureTabs(url, 10)
    console.log('tabs  pages  Redis commands/s  Redis CPU  dashboard CPU')
    for (const { tabs, pages, commandsPerSecond, redisCpuPercent, dashboardCpuPercent } of figures) {
      const cpu = `${redisCpuPercent.toFixed(1)} %`.padStart(9) + `${dashboardCpuPercent.toFixed(1)} %`.padStart(15)
      console.log(
        `${String(tabs).padEnd(6)}${String(pages).padEnd(7)}${commandsPerSecond.toFixed(0).padStart(16)}  ${cpu}`,
      )
    }
    return figures
  },
  'dashboard throughput': async (url: string, scale: number, rounds: number) => {
    const pairs = Math.ceil(3 * rounds)
    const figures = await measureThroughput(url, pairs, Math.max(10_000, Math.round(50_000 * scale)))
    const { without, withTabs, seconds, perSecond, redisMicros } = figures
    const show = ({ medianPercent, from, to }: Change) =>
      `${medianPercent.toFixed(1)} % (95 %: ${from.toFixed(1)} to ${to.toFixed(1)} %)`
    console.log(`${pairs} pairs of windows of ${seconds.toFixed(1)} s, without tabs and with 50; medians`)
    console.log(`jobs/s ${without.perSecond.toFixed(0)}, ${withTabs.perSecond.toFixed(0)}: ${show(perSecond)}`)
    console.log(
      `Redis CPU a job, us ${without.redisMicros.toFixed(1)}, ${withTabs.redisMicros.toFixed(1)}: ${show(redisMicros)}`,
    )
    const isShown = perSecond.from > -GOAL_CHANGE_PERCENT
    console.log(`slower by under ${GOAL_CHANGE_PERCENT} %: ${isShown ? 'shown' : 'not shown by these pairs'}`)
    return figures
  },
} as const

/** Runs the rows whose names hold `only`, over a Redis that it fills first; gives what each measured. */
export async function runDashboardRows(
  url: string,
  only: string | undefined,
  scale: number,
  rounds: number,
): Promise<object> {
  const rows = Object.entries(ROWS).filter(([name]) => only === undefined || name.includes(only))
  if (rows.length === 0) return {}
  const startedAt = performance.now()
  await fill(url, Math.round(FINISHED * scale), Math.round(WAITING * scale))
  const { queues, finished, waiting } = await countJobs(url)
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0)
  console.log(`\n${finished} finished and ${waiting} waiting jobs in ${queues} queues (filled in ${seconds} s)`)
  const figures: Record<string, object> = {}
  for (const [name, measure] of rows) {
    console.log(`\n${name}`)
    figures[name] = await measure(url, scale, rounds)
  }
  return figures
}

function cell(ms: number): string {
  return ms.toFixed(1).padStart(8)
}
