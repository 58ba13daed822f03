// producer.queues: queues as they stand, and pausing them, or the jobs of one name in them.
import { InvalidOptionError, isJobName, isQueueName, JOB_NAME_RULE, refuseUnknown } from '../job/index.js'
import {
  holdName,
  MAX_HELD_NAMES,
  type QueueView,
  readQueueView,
  readQueueViews,
  releaseName,
  type UnreadableQueue,
} from '../ledger/index.js'
import { checkQueueName, queueKeys, queuesKey } from '../redis/index.js'
import type { BullQueues } from './bull-queues.js'
import type { RedisGate } from './redis-gate.js'

export interface PauseOptions {
  /** Only the jobs of this name. Default: the whole queue. */
  readonly job?: string | undefined
}

export interface ListQueuesOptions {
  /** Only these; one that nobody has used is empty. Default: all that a producer or worker has used. */
  readonly queues?: readonly string[] | undefined
  readonly onUnreadable?: ((queue: UnreadableQueue) => void) | undefined
}

/** Queues. Calls are repeated while Redis is away, up to the producer's timeout; each may come twice. */
export class ProducerQueues {
  readonly #gate: RedisGate
  readonly #prefix: string
  readonly #queues: BullQueues

  constructor(gate: RedisGate, prefix: string, queues: BullQueues) {
    this.#gate = gate
    this.#prefix = prefix
    this.#queues = queues
  }

  /**
   * Queues, by name. One that cannot be read, as another program wrote a key of it, is left out: `onUnreadable` is told of it,
   * and why.
   * @throws InvalidQueueNameError
   */
  async list({ queues, onUnreadable }: ListQueuesOptions = {}): Promise<QueueView[]> {
    const client = this.#gate.client
    const asked = queues?.map((queue) => checkQueueName(queue))
    const { views, unreadable } = await this.#gate.run('the list of queues', async () => {
      const names = asked ?? (await client.smembers(queuesKey(this.#prefix))).filter(isQueueName).sort()
      return readQueueViews(client, (name) => queueKeys(this.#prefix, name), names)
    })
    for (const each of unreadable) onUnreadable?.(each)
    return [...views]
  }

  /** One queue; one that nobody has used is empty. @throws InvalidQueueNameError */
  async get(queue: string): Promise<QueueView> {
    const keys = queueKeys(this.#prefix, checkQueueName(queue))
    return this.#gate.run('the read of a queue', () => readQueueView(this.#gate.client, keys, queue))
  }

  /**
   * Lets workers start no further job of the queue, or of one job name in it: from when it resolves, none is handed over.
   * Those that run go on. At most 100 names of a queue are paused at a time.
   * @throws InvalidQueueNameError, InvalidOptionError, UnknownOptionError; else as the reads
   */
  async pause(queue: string, options: PauseOptions = {}): Promise<void> {
    const job = readJob(options, 'queues.pause')
    const { backend, keys } = this.#queues.get(checkQueueName(queue))
    await this.#gate.run('the pause of a queue', async () => {
      if (job === undefined) await backend.pause(true)
      else if (!(await holdName(this.#gate.client, keys, job))) {
        throw new InvalidOptionError('job', `at most ${MAX_HELD_NAMES} paused job names of a queue`, job)
      }
    })
  }

  /**
   * Ends a pause; without one it does nothing. The jobs of a name run before those that wait, in their order; the queue hands
   * nothing over until all of them are back, for about 5 ms per 1,000.
   */
  async resume(queue: string, options: PauseOptions = {}): Promise<void> {
    const job = readJob(options, 'queues.resume')
    const { backend, keys } = this.#queues.get(checkQueueName(queue))
    await this.#gate.run('the resume of a queue', async () => {
      if (job === undefined) {
        await backend.pause(false)
        // BullMQ wakes workers for jobs that wait, but not for those in the lines of limits.
        await this.#gate.client.zadd(`${keys.bullBase}marker`, 0, '0')
      } else await releaseName(this.#gate.client, keys, job)
    })
  }
}

function readJob(options: PauseOptions, where: string): string | undefined {
  refuseUnknown(options, ['job'], where)
  const { job } = options
  if (job !== undefined && !isJobName(job)) throw new InvalidOptionError('job', JOB_NAME_RULE, job)
  return job
}
