// BullMQ's side of what a person does to one job: a backend per queue, over the dashboard's one connection.
import { type KeyPrefixOptions, type QueueBaseOptions, QueueKeys, RedisConnection } from 'bullmq'
import { JobNotFoundError, JobStateError } from '../../job/index.js'
import {
  AddBackend,
  attachAddRules,
  attachBatchScripts,
  attachCancelScript,
  type CancelRoom,
  cancelJob,
} from '../../ledger/index.js'
import { queueKeys, type RedisClient } from '../../redis/index.js'

/** What BullMQ's script for a manual retry answers. */
const GONE = -1

export class JobRooms {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #connection: RedisConnection
  readonly #backends = new Map<string, AddBackend>()

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
    attachAddRules(client)
    attachBatchScripts(client)
    attachCancelScript(client)
    // Both skips: else a Redis that is down at the first use would make this connection fail for good.
    this.#connection = new RedisConnection(client, {
      shared: true,
      blocking: false,
      skipVersionCheck: true,
      skipWaitingForReady: true,
    })
    // The client has its own listener; without one here an error event would be thrown.
    this.#connection.on('error', () => undefined)
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  backend(queue: string): AddBackend {
    const known = this.#backends.get(queue)
    if (known !== undefined) return known
    const keys = queueKeys(this.#prefix, queue)
    const bullKeys = new QueueKeys(keys.bull)
    const toKey = (type: string) => bullKeys.toKey(queue, type)
    const options: QueueBaseOptions & KeyPrefixOptions = { connection: {}, prefix: keys.bull }
    const names = bullKeys.getKeys(queue)
    const backend = new AddBackend(keys, this.#connection, queue, names, toKey, options, undefined, false)
    this.#backends.set(queue, backend)
    return backend
  }

  /** Puts a finished job back into its queue. @throws JobStateError when it has not finished, JobNotFoundError */
  async retry(queue: string, id: string, state: string): Promise<void> {
    if (state !== 'failed' && state !== 'completed') throw new JobStateError(id, queue, state, 'retried')
    await this.backend(queue)
      .retryFinishedJob({ id, opts: {} } as never, state)
      .catch((error: unknown) => {
        const { code } = error as { code?: unknown }
        if (code === GONE) throw new JobNotFoundError(id, queue)
        // Somebody else retried or removed it meanwhile; errors of the connection have text for a code.
        throw typeof code === 'number' ? new JobStateError(id, queue, 'in another state by now', 'retried') : error
      })
  }

  cancelRoom(queue: string): CancelRoom {
    return { client: this.#client, keys: queueKeys(this.#prefix, queue), queue, backend: this.backend(queue) }
  }

  /** As producer.jobs.cancel. @throws JobStateError for a job that has ended, JobNotFoundError */
  async cancel(queue: string, id: string): Promise<void> {
    const outcome = await cancelJob(this.cancelRoom(queue), id)
    if (outcome === 'unknown') throw new JobNotFoundError(id, queue)
    if (outcome === 'cancelled' || outcome === 'marked' || outcome === 'before') return
    throw new JobStateError(id, queue, outcome, 'cancelled')
  }
}
