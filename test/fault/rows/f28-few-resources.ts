// F28: workers that lack what a process needs: descriptors, memory for a handler, a log that can be written.
import { execFileSync } from 'node:child_process'
import { endInOrder } from '../nemesis.js'
import type { FaultProcess, PlannedJob } from '../processes.js'
import { defineRow, type RowContext } from '../row.js'

interface Size {
  readonly good: number
  /** Jobs that take every descriptor for a while. */
  readonly hogs: number
  /** Jobs whose first run wants more heap than its process has. */
  readonly eaters: number
}

const OPEN_FILES = 64
const HEAP_MB = 32
const HOLD_MS = 800

export default defineRow<Size>({
  name: 'F28',
  title: 'workers without descriptors, memory or a log go on, and no job is lost or done twice for it',
  small: { good: 30, hogs: 1, eaters: 1 },
  full: { good: 2_000, hogs: 20, eaters: 40 },
  run: async (context) => {
    const { size } = context
    const { url: redis, ...server } = await context.startRedis()
    const each = size.good + size.hogs

    const narrow = await startNarrow(context, redis, {})
    execFileSync('prlimit', ['--pid', `${narrow.said[0]?.pid}`, `--nofile=${OPEN_FILES}`])
    const every = Math.floor(each / size.hogs)
    const hogs = context.plan(each, (n) => (n % every === every >> 1 ? { holdFilesMs: HOLD_MS } : { ms: 5 }))
    const producer = context.startProducer({ redis, jobs: hogs, persistent: true, perSecond: 40 })
    for (let hog = 0; hog < size.hogs; hog++) {
      await context.until('a job holds every descriptor', () => held(context).length > hog)
      context.fault('no descriptor is free')
      // What has to connect again now finds none.
      await server.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    }
    await context.finish(producer)
    await context.drain(redis)
    await endInOrder(context, narrow)

    const isolating = await startNarrow(context, redis, { isolate: 'process', memoryMb: HEAP_MB })
    await context.finish(context.startProducer({ redis, jobs: eaters(context, each + 1), persistent: true }))
    await context.drain(redis)
    const died = context.ledger().filter((line) => line.e === 'start' && line.n !== undefined && line.n > each).length
    context.require(died >= size.good + 2 * size.eaters, 'no-death', `${died} runs: too few for ${size.eaters} deaths`)
    await endInOrder(context, isolating)
    await context.check({ url: redis })
  },
})

/** Jobs of which some need a second run, as the first one ends with its process. */
function eaters({ plan, size, fault }: RowContext<Size>, first: number): PlannedJob[] {
  const count = size.good + size.eaters
  const every = Math.floor(count / size.eaters)
  const isEater = (n: number) => (n - first) % every === 1 % every && (n - first) / every < size.eaters
  const jobs = plan(count, (n) => (isEater(n) ? { eatMemoryStarts: 1 } : { ms: 5 }), first)
  for (const { input } of jobs) if (input.eatMemoryStarts !== undefined) fault(`a heap of ${HEAP_MB} MB is full`)
  return jobs.map((job) => ({ ...job, attempts: job.input.eatMemoryStarts === undefined ? 1 : 2 }))
}

/** A worker with a log that takes no line. */
async function startNarrow(context: RowContext<Size>, redis: string, told: object): Promise<FaultProcess> {
  const narrow = context.startScript('narrow-process.mjs', { redis, concurrency: 4, ...told })
  await context.until('the worker is ready', () => {
    if (narrow.hasEnded()) throw new Error(`a worker whose log cannot be written did not start: ${narrow.complaints()}`)
    return narrow.said.some(({ ready }) => ready === true)
  })
  context.fault('the log cannot be written')
  return narrow
}

const held = (context: RowContext<Size>) =>
  context.ledger().filter((line) => line.e === 'fault' && line.kind === 'descriptors held')
