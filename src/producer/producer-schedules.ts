// producer.schedules: schedules set and steered at run time. Workers fire them.
import { checkWhole, InvalidOptionError, nextTicks, ScheduleNotFoundError } from '../job/index.js'
import {
  checkScheduleName,
  isSchedule,
  listSchedules,
  newStoredJob,
  pauseSchedule,
  readSchedule,
  removeSchedule,
  resumeSchedule,
  type Schedule,
  type ScheduleRecord,
  type SetOutcome,
  type StoringMiddleware,
  setSchedule,
  specOf,
} from '../ledger/index.js'
import { checkQueueName, type KeysOfQueue, queueKeys } from '../redis/index.js'
import type { BullQueues } from './bull-queues.js'
import type { JobHandle } from './job-handle.js'
import type { RedisGate } from './redis-gate.js'
import { sendJob } from './send-jobs.js'

const MAX_NEXT = 1_000

/** Schedules of a queue. Calls are repeated while Redis is away, up to the producer's timeout; each may come twice. */
export class ProducerSchedules {
  readonly #gate: RedisGate
  readonly #prefix: string
  readonly #queues: BullQueues
  readonly #middleware: readonly StoringMiddleware[] | undefined

  constructor(gate: RedisGate, prefix: string, queues: BullQueues, middleware?: readonly StoringMiddleware[]) {
    this.#gate = gate
    this.#prefix = prefix
    this.#queues = queues
    this.#middleware = middleware
  }

  /**
   * Keeps a schedule, in place of one of the same name; one that did not change goes on as it was. It stays until it is
   * removed, also when code sets and removes others.
   * @throws InvalidOptionError, InvalidInputError, NotJsonError, TooLargeError
   */
  async set(schedule: Schedule): Promise<SetOutcome> {
    if (!isSchedule(schedule)) throw new InvalidOptionError('schedule', 'what defineSchedule returned', schedule)
    const { name, contract } = schedule
    const spec = await specOf(schedule, this.#middleware)
    const keys = queueKeys(this.#prefix, contract.queue)
    return this.#gate.run('the change of a schedule', async () => {
      const outcome = await setSchedule(this.#gate.client, keys, { name, spec, origin: 'api' })
      this.#queues.get(contract.queue).list()
      return outcome
    })
  }

  /** All schedules of the queue, by name. */
  async list(queue: string): Promise<ScheduleRecord[]> {
    const keys = this.#keys(queue)
    return this.#gate.run('the list of schedules', () => listSchedules(this.#gate.client, keys))
  }

  /** @throws ScheduleNotFoundError */
  async get(queue: string, name: string): Promise<ScheduleRecord> {
    const keys = this.#keys(queue, name)
    const found = await this.#gate.run('the read of a schedule', () => readSchedule(this.#gate.client, keys, name))
    if (!found) throw new ScheduleNotFoundError(name, queue)
    return found
  }

  /** The times of the next ticks, milliseconds since 1970, as if it were not paused. @throws ScheduleNotFoundError */
  async next(queue: string, name: string, count = 5): Promise<number[]> {
    checkWhole('count', count, 1, MAX_NEXT)
    const { spec } = await this.get(queue, name)
    return nextTicks(spec.times, Date.now(), count)
  }

  /** No job comes of a paused schedule, also after a deploy. @throws ScheduleNotFoundError */
  async pause(queue: string, name: string): Promise<void> {
    const keys = this.#keys(queue, name)
    const found = await this.#gate.run('the pause of a schedule', () => pauseSchedule(this.#gate.client, keys, name))
    if (!found) throw new ScheduleNotFoundError(name, queue)
  }

  /** Ticks that passed meanwhile are not made up for. @throws ScheduleNotFoundError */
  async resume(queue: string, name: string): Promise<void> {
    const keys = this.#keys(queue, name)
    const schedule = await this.get(queue, name)
    await this.#gate.run('the resumption of a schedule', () => resumeSchedule(this.#gate.client, keys, schedule))
  }

  /** Jobs that it has enqueued stay. @throws ScheduleNotFoundError */
  async remove(queue: string, name: string): Promise<void> {
    const keys = this.#keys(queue, name)
    // Twice is once: a repeated removal after a lost reply finds nothing, and that is what was asked for.
    let isRepeated = false
    const found = await this.#gate.run('the removal of a schedule', async () => {
      const removed = await removeSchedule(this.#gate.client, keys, name).catch((error: unknown) => {
        isRepeated = true
        throw error
      })
      return removed || isRepeated
    })
    if (!found) throw new ScheduleNotFoundError(name, queue)
  }

  /** Enqueues its job now; the schedule itself goes on as it was. @throws ScheduleNotFoundError; else as `enqueue` */
  async runNow(queue: string, name: string): Promise<JobHandle> {
    const startedMs = performance.now()
    const { spec } = await this.get(queue, name)
    const timestamp = Date.now()
    const jobId = `${name}.now-${timestamp}`
    const job = newStoredJob(spec.job, jobId, spec.input, spec.options, timestamp)
    const call = { operation: `the run of schedule ${name}`, startedMs, jobId }
    await sendJob(this.#gate, this.#queues.get(queue), { jobId, job }, call)
    return { id: jobId, name: spec.job, queue }
  }

  #keys(queue: string, name?: string): KeysOfQueue {
    checkQueueName(queue)
    if (name !== undefined) checkScheduleName(name)
    return queueKeys(this.#prefix, queue)
  }
}
