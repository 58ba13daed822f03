// The calls that the model of a queue is tried with: each says when it makes sense, does it to the real queue, does it to
// the model, and compares the two.
import type { Job, Queue } from 'bullmq'
import fc from 'fast-check'
import { expect } from 'vitest'
import { EffectRejectedError, type JobContract } from '../../src/job/index.js'
import type { Producer } from '../../src/producer/index.js'
import type { Kernel } from '../support/kernel.js'
import { COUNTERS, expectModel, LIST, type Model, type ModelJob } from './queue-model.js'

export interface Real {
  readonly kernel: Kernel
  readonly producer: Producer
  readonly contracts: readonly JobContract<never, never>[]
  readonly queue: Queue
  /** What a worker holds of the jobs it runs. */
  readonly running: Map<string, Job>
  /** The wait that the next failed attempt gets. */
  readonly backoff: { ms: number }
  /** How often each command ran, for the report. */
  readonly ran: Record<string, number>
}

export const IDS = ['a', 'b', 'c', 'd', 'e'] as const
const HOUR_MS = 3_600_000

interface Change {
  readonly title: string
  check?(model: Model): boolean
  run(model: Model, real: Real): Promise<void>
}

function command({ title, check, run }: Change): fc.AsyncCommand<Model, Real> {
  return {
    check: (model) => check?.(model as Model) ?? true,
    run: async (model, real) => {
      const name = title.split(' ', 1)[0] ?? title
      real.ran[name] = (real.ran[name] ?? 0) + 1
      await run(model as Model, real)
      await expectModel(model as Model, real.kernel, IDS)
    },
    toString: () => title,
  }
}

const id = fc.constantFrom(...IDS)
const nth = fc.nat({ max: 4 })
const counter = fc.constantFrom(...COUNTERS)
const delta = fc.integer({ min: -50, max: 50 })

interface Enqueued {
  readonly id: string
  readonly contract: number
  readonly attempts: number
  readonly order: 'plain' | 'delayed' | 'lifo' | 1 | 2
}

const enqueue = fc
  .record({
    id,
    contract: fc.nat({ max: 1 }),
    attempts: fc.integer({ min: 1, max: 3 }),
    order: fc.constantFrom<Enqueued['order'][]>('plain', 'plain', 'delayed', 'lifo', 1, 2),
  })
  .map((wanted: Enqueued) =>
    command({
      title: `enqueue ${JSON.stringify(wanted)}`,
      run: async (model, { producer, contracts }) => {
        const { id, attempts, order } = wanted
        const options = {
          id,
          attempts,
          ...(order === 'delayed' ? { delay: HOUR_MS } : {}),
          ...(order === 'lifo' ? { lifo: true } : {}),
          ...(typeof order === 'number' ? { priority: order } : {}),
        }
        const contract = contracts[wanted.contract] as JobContract<never, never>
        await producer.enqueue(contract, { id } as never, options)
        // A job of this id is there: whatever the options say, it stays as it is.
        if (model.jobs.has(id)) return
        const priority = typeof order === 'number' ? order : 0
        const job: ModelJob = {
          id,
          name: contract.name,
          attempts,
          priority,
          lifo: order === 'lifo',
          made: 0,
          stalls: 0,
          state: 'delayed',
        }
        model.jobs.set(id, job)
        if (order !== 'delayed') model.wait(job, job.lifo ? 'next' : 'last')
      },
    }),
  )

const take = fc.constant(
  command({
    title: 'take',
    run: async (model, { kernel, running }) => {
      const expected = model.next()
      if (expected === undefined) {
        await expect(kernel.take()).rejects.toThrow('no job was there')
        return
      }
      const job = await kernel.take()
      expect(job.id).toBe(expected)
      running.set(expected, job)
      model.leave(expected)
      jobOf(model, expected).state = 'active'
    },
  }),
)

/** A command on the n-th of the jobs that run. */
function onActive(title: string, act: (model: Model, real: Real, job: ModelJob, taken: Job) => Promise<void>) {
  return (at: number) =>
    command({
      title: `${title} ${at}`,
      check: (model) => model.idsIn('active').length > 0,
      run: async (model, real) => {
        const active = model.idsIn('active')
        const job = jobOf(model, active[at % active.length] as string)
        await act(model, real, job, real.running.get(job.id) as Job)
      },
    })
}

const complete = fc.tuple(nth, counter, delta).map(([at, name, by]) =>
  onActive(`complete ${name} ${by},`, async (model, { kernel }, job, taken) => {
    const outcome = {
      valueJson: String(by),
      counters: new Map([[name, by]]),
      effects: [['RPUSH', LIST, `${job.id}${by}`]],
    }
    await kernel.complete(taken, outcome)
    job.state = 'completed'
    job.made++
    model.count(model.totals, `${job.name}:completed`, 1)
    model.count(model.counters, name, by)
    model.staged.push(`${job.id}${by}`)
    model.results.set(job.id, { status: 'completed', value: by, attempts: job.made })
    // Said twice, as after a lost reply: the second is refused.
    await expect(kernel.complete(taken, outcome)).rejects.toThrow()
  })(at),
)

const completeBadly = nth.map(
  onActive('complete-with-a-bad-write', async (_model, { kernel }, _job, taken) => {
    const effects = [
      ['RPUSH', LIST, 'never'],
      ['INCRBY', LIST, '1'],
    ]
    const outcome = { counters: new Map([[COUNTERS[0], 7]]), effects }
    await expect(kernel.complete(taken, outcome)).rejects.toThrow(EffectRejectedError)
  }),
)

const endWithoutLock = nth.map(
  onActive('end-with-a-foreign-lock', async (_model, { kernel }, _job, taken) => {
    const outcome = { counters: new Map([[COUNTERS[0], 7]]), effects: [['RPUSH', LIST, 'never']] }
    await expect(kernel.complete(taken, outcome, 'zombie:1')).rejects.toThrow()
    await expect(kernel.fail(taken, {}, 'zombie:1')).rejects.toThrow()
  }),
)

const failAttempt = fc.tuple(nth, fc.boolean()).map(([at, waits]) =>
  onActive(`fail-attempt ${waits ? 'with' : 'without'} backoff,`, async (model, { kernel, backoff }, job, taken) => {
    backoff.ms = waits ? HOUR_MS : 0
    await kernel.failAttempt(taken, new Error('as the test wants it'))
    job.made++
    if (job.made >= job.attempts) {
      job.state = 'failed'
      model.count(model.totals, `${job.name}:failed`, 1)
      model.results.set(job.id, { status: 'failed', attempts: job.made })
      return
    }
    model.count(model.totals, `${job.name}:retried`, 1)
    if (waits) job.state = 'delayed'
    else model.wait(job, job.lifo ? 'next' : 'last')
  })(at),
)

const failForGood = nth.map(
  onActive('fail-for-good', async (model, { kernel }, job, taken) => {
    await kernel.fail(taken)
    job.made++
    job.state = 'failed'
    model.count(model.totals, `${job.name}:failed`, 1)
    model.results.set(job.id, { status: 'failed', attempts: job.made })
  }),
)

const loseLock = nth.map(
  onActive('lose-lock', async (model, { kernel, running }, job, taken) => {
    if (job.stalls === 2) return
    await kernel.client.del(kernel.bull(`${job.id}:lock`), kernel.bull('stalled-check'))
    await expect(kernel.complete(taken)).rejects.toThrow()
    await kernel.client.sadd(kernel.bull('stalled'), job.id)
    await kernel.backend.moveStalledJobsToWait()
    job.stalls++
    running.delete(job.id)
    model.wait(job, 'next')
  }),
)

const manualRetry = id.map((wanted) =>
  command({
    title: `manual-retry ${wanted}`,
    check: (model) => ['completed', 'failed'].includes(model.jobs.get(wanted)?.state ?? ''),
    run: async (model, { queue }) => {
      const job = jobOf(model, wanted)
      await (await queue.getJob(wanted))?.retry(job.state as 'completed' | 'failed')
      model.wait(job, job.lifo ? 'next' : 'last')
    },
  }),
)

const promote = id.map((wanted) =>
  command({
    title: `promote ${wanted}`,
    check: (model) => model.jobs.get(wanted)?.state === 'delayed',
    run: async (model, { queue }) => {
      await (await queue.getJob(wanted))?.promote()
      model.wait(jobOf(model, wanted))
    },
  }),
)

const remove = id.map((wanted) =>
  command({
    title: `remove ${wanted}`,
    run: async (model, { queue }) => {
      const job = model.jobs.get(wanted)
      // BullMQ answers 0 for a job that a worker holds, and 1 also for one that is not there.
      expect(await queue.remove(wanted)).toBe(job?.state === 'active' ? 0 : 1)
      if (job === undefined || job.state === 'active') return
      model.leave(wanted)
      model.jobs.delete(wanted)
    },
  }),
)

const deleteResult = id.map((wanted) =>
  command({
    title: `delete-result ${wanted}`,
    run: async (model, { producer, queue }) => {
      expect(await producer.results.delete({ queue: queue.name, id: wanted })).toBe(model.results.delete(wanted))
    },
  }),
)

const addOutside = fc.tuple(counter, delta, fc.boolean()).map(([name, by, byProducer]) =>
  command({
    title: `add-outside ${name} ${by} ${byProducer ? 'by a producer' : 'by INCRBY'}`,
    run: async (model, { producer, kernel, queue }) => {
      model.count(model.counters, name, by)
      const sum = byProducer
        ? await producer.counters.incr(queue.name, name, by)
        : await kernel.client.incrby(kernel.keys.counter(name), by)
      expect(sum).toBe(model.counters.get(name))
    },
  }),
)

const pauseOrResume = fc.constantFrom(true, false, false).map((pauses) =>
  command({
    title: pauses ? 'pause' : 'resume',
    run: async (model, { queue }) => {
      await (pauses ? queue.pause() : queue.resume())
      model.paused = pauses
    },
  }),
)

function jobOf(model: Model, id: string): ModelJob {
  const job = model.jobs.get(id)
  if (job === undefined) throw new Error(`the model has no job ${id}`)
  return job
}

/** Sequences of all of these; enqueueing and taking come more often, so that there is something to end. */
/** What a sequence begins with, so that most of its calls find a job: some jobs, a part of them taken. */
export const beginning = fc
  .tuple(fc.array(enqueue, { minLength: 3, maxLength: 5 }), fc.array(take, { minLength: 1, maxLength: 3 }))
  .map((lists) => lists.flat())

export const sequences = fc.commands(
  [
    ...[enqueue, enqueue, enqueue, take, take, take, take, complete, complete, complete],
    ...[completeBadly, endWithoutLock, failAttempt, failAttempt, failForGood, loseLock, loseLock],
    ...[manualRetry, manualRetry, promote, promote, remove, deleteResult, addOutside, pauseOrResume],
  ],
  { maxCommands: 40, size: 'max' },
)

/** Runs what is left to its end: everything that was accepted is then completed or failed. */
export async function drain(model: Model, real: Real): Promise<void> {
  const steps: fc.AsyncCommand<Model, Real>[] = []
  await real.queue.resume()
  model.paused = false
  for (const wanted of model.idsIn('delayed')) {
    await (await real.queue.getJob(wanted))?.promote()
    model.wait(jobOf(model, wanted))
  }
  for (const [wanted, taken] of real.running) {
    if (model.jobs.get(wanted)?.state === 'active') steps.push(endOf(wanted, taken))
  }
  for (const step of steps) await step.run(model, real)
  while (model.next() !== undefined) {
    const wanted = model.next() as string
    const taken = await real.kernel.take()
    expect(taken.id).toBe(wanted)
    model.leave(wanted)
    jobOf(model, wanted).state = 'active'
    await endOf(wanted, taken).run(model, real)
  }
  expect([...model.jobs.values()].filter(({ state }) => state !== 'completed' && state !== 'failed')).toEqual([])
}

function endOf(wanted: string, taken: Job): fc.AsyncCommand<Model, Real> {
  return command({
    title: 'drain',
    run: async (model, { kernel }) => {
      await kernel.complete(taken, { valueJson: '1' })
      const job = jobOf(model, wanted)
      job.state = 'completed'
      job.made++
      model.count(model.totals, `${job.name}:completed`, 1)
      model.results.set(wanted, { status: 'completed', value: 1, attempts: job.made })
    },
  })
}
