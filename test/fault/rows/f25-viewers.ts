// F25: many people look at the dashboard over a long backlog, while producers enqueue.
import { setTimeout as sleep } from 'node:timers/promises'
import { endInOrder } from '../nemesis.js'
import { spreadOf } from '../recovery.js'
import { answerTimes, target } from '../redis-load.js'
import { defineRow, type RowContext } from '../row.js'

interface Size {
  /** Jobs that wait all the while. */
  readonly backlog: number
  /** Enqueued without viewers, and as many beside them. */
  readonly jobs: number
  readonly perSecond: number
  readonly viewers: number
}

const PAGES = ['/', '/overview.json', '/results', '/workers']
/** From one page of a viewer to the next. */
const PAUSE_MS = 100
/** The most that an enqueue may take at p99. */
const ANSWER_TARGET_MS = 50

export default defineRow<Size>({
  name: 'F25',
  title: 'people who look at the dashboard over a long backlog keep no enqueue waiting',
  small: { backlog: 150, jobs: 40, perSecond: 40, viewers: 10 },
  full: { backlog: 50_000, jobs: 2_000, perSecond: 100, viewers: 10 },
  run: async (context) => {
    const { size } = context
    const { url: redis } = await context.startRedis()
    const server = context.startScript('server-process.mjs', { redis, token: 'a-token-of-the-fault-run' })
    await context.finish(context.startProducer({ redis, jobs: context.plan(size.backlog, () => ({})), inFlight: 50 }))
    await context.until('the dashboard listens', () => server.said.some(({ ready }) => ready === true))
    await measure(context, redis, 'quietEnqueueMs', size.backlog + 1)

    context.fault(`${size.viewers} viewers`)
    const views = openViewers(String(server.said[0]?.url), size.viewers)
    const beside = await measure(context, redis, 'enqueueMsBesideViewers', size.backlog + size.jobs + 1)
    const pages = await views.close()
    context.figure('pages', pages.length)
    context.figure('pageMs', show(pages.map(({ ms }) => ms)))
    const bad = pages.filter(({ status }) => status !== 200)
    context.require(
      bad.length === 0,
      'bad-page',
      `${bad.length} pages of ${pages.length} were answered ${bad[0]?.status}`,
    )
    context.require(pages.length >= size.viewers, 'no-viewers', `only ${pages.length} pages were seen`)
    target(context, 'an enqueue beside viewers, p99', beside, ANSWER_TARGET_MS)

    const worker = await context.startWorker({ redis, concurrency: 50 })
    await context.drain(redis)
    for (const each of [worker, server]) await endInOrder(context, each)
    await context.check({ url: redis })
  },
})

/** Enqueues jobs at their pace; gives the p99 of their answers. */
async function measure(context: RowContext<Size>, redis: string, figure: string, first: number): Promise<number> {
  const { jobs, perSecond } = context.size
  const answered = answerTimes(context).length
  await context.finish(context.startProducer({ redis, jobs: context.plan(jobs, () => ({}), first), perSecond }))
  const times = answerTimes(context).slice(answered)
  context.figure(figure, show(times))
  return spreadOf(times).p99
}

interface View {
  readonly status: number
  readonly ms: number
}

/** Each opens one page after the other until it is closed, which gives all that were seen. */
function openViewers(url: string, count: number): { close(): Promise<View[]> } {
  const seen: View[] = []
  let isClosed = false
  const look = async (viewer: number) => {
    for (let at = viewer; !isClosed; at++) {
      const startedMs = performance.now()
      const answer = await fetch(`${url}${PAGES[at % PAGES.length]}`)
      await answer.arrayBuffer()
      seen.push({ status: answer.status, ms: performance.now() - startedMs })
      await sleep(PAUSE_MS)
    }
  }
  const viewers = Promise.all(Array.from({ length: count }, (_, viewer) => look(viewer)))
  // Told where it is awaited.
  viewers.catch(() => undefined)
  return {
    close: async () => {
      isClosed = true
      await viewers
      return seen
    },
  }
}

function show(times: readonly number[]): string {
  const { p50, p99, max } = spreadOf(times)
  return `p50:${p50},p99:${p99},max:${max}`
}
