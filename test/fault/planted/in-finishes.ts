// Ways of finishing a job with one deliberate bug each, most of them what bare BullMQ and a few more commands would do.
import { type Job, Worker } from 'bullmq'
import { FAULT, NUMBERS, type Planted, type PlantedRoom } from './room.js'

const LAST = `j-${NUMBERS.length}`

/** Bare BullMQ finishes the jobs; `afterFinish` makes the writes of the commit by hand. */
async function finishByHand(room: PlantedRoom, afterFinish: (job: Job) => Promise<void>): Promise<void> {
  await room.enqueue(NUMBERS)
  room.note(FAULT)
  const run = async (job: Job) => {
    const { n } = job.data as { n: number }
    const noted = { id: job.id ?? '', pid: process.pid, attempt: 1 }
    room.note({ e: 'start', ...noted, n }, { e: 'end', ...noted, add: { sum: n } })
    return null
  }
  const { host = '127.0.0.1', port = 0 } = room.redis.options
  const worker = new Worker(room.queue, run, { connection: { host, port }, prefix: room.keys.bull })
  const written: Promise<void>[] = []
  worker.on('completed', (job) => void written.push(afterFinish(job)))
  await room.untilEnded(NUMBERS.length)
  await worker.close()
  await Promise.all(written)
}

/** Result, totals, stats, counter and effect as the commit writes them, in a step of their own. */
async function writeAll({ redis, keys, hits }: PlantedRoom, job: Job): Promise<void> {
  const { n } = job.data as { n: number }
  const id = job.id ?? ''
  const record = JSON.stringify({ v: 1, id, status: 'completed', value: n, attempts: 1 })
  await redis
    .multi()
    .set(keys.result(id), record, 'EX', 3_600)
    .hincrby(keys.totals, 'work:completed', 1)
    .hincrby(keys.stats(1), 'work|c|1|1', 1)
    .incrby(keys.counter('sum'), n)
    .hincrby(hits, id, 1)
    .exec()
}

export const IN_FINISHES: readonly Planted[] = [
  {
    name: 'the result is written in a second step after the finish',
    kind: 'not-atomic',
    run: (room) => finishByHand(room, (job) => writeAll(room, job)),
  },
  {
    name: 'a crash comes between the finish and the result',
    kind: 'result-missing',
    run: (room) =>
      finishByHand(room, async (job) => {
        if (job.id !== LAST) await writeAll(room, job)
      }),
  },
  {
    name: 'a job is finished and counted twice',
    kind: 'totals-off',
    run: async (room) => {
      await room.runAll()
      const job = await room.bull.getJob(LAST)
      if (job) await writeAll(room, job)
    },
  },
  {
    name: 'completed jobs are removed before they are counted',
    kind: 'removed',
    run: async (room) => {
      await room.enqueue(NUMBERS)
      room.note(FAULT)
      const worker = await room.work(room.honest(), { keepCompleted: 0 })
      while ((await room.redis.hget(room.keys.totals, 'work:completed')) !== `${NUMBERS.length}`);
      await worker.close()
    },
  },
  {
    name: 'a job is left behind, and no worker is there for it',
    kind: 'not-drained',
    run: async (room) => {
      const [first = 1, ...others] = NUMBERS
      await room.enqueue(others)
      room.note(FAULT)
      const worker = await room.work()
      await room.untilEnded(others.length)
      await worker.close()
      await room.enqueue([first])
    },
  },
]
