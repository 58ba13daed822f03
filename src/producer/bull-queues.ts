// BullMQ's side of enqueueing: a backend per queue, all over the producer's one connection, and the entry of each queue
// in the list of queues. BullMQ's `Queue` is left out: it would encode each input a second time.
import { type KeyPrefixOptions, type QueueBaseOptions, QueueKeys, RedisConnection } from 'bullmq'
import {
  AddBackend,
  attachAddRules,
  attachBatchScripts,
  attachCancelScript,
  attachErrorScripts,
  BULLMQ_VERSION,
  newStoredJob,
  type RuledJob,
  type StoredOptions,
} from '../ledger/index.js'
import { type KeysOfQueue, queueKeys, queuesKey, type RedisClient } from '../redis/index.js'

/** One job as it is sent. */
export interface NewJob {
  readonly jobId: string
  readonly job: RuledJob
}

export interface BullQueue {
  readonly name: string
  readonly keys: KeysOfQueue
  readonly backend: AddBackend
  readonly client: RedisClient
  /** Lists the queue as one that is used: sent with the first enqueue, and again with a later one until it succeeds. */
  list(): void
}

export class BullQueues {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #connection: RedisConnection
  readonly #queues = new Map<string, BullQueue>()

  constructor(client: RedisClient, prefix: string) {
    this.#client = client
    this.#prefix = prefix
    attachAddRules(client)
    attachBatchScripts(client)
    attachCancelScript(client)
    attachErrorScripts(client)
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

  get(name: string): BullQueue {
    let queue = this.#queues.get(name)
    if (!queue) {
      queue = this.#open(name)
      this.#queues.set(name, queue)
    }
    return queue
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  #open(name: string): BullQueue {
    const keys = queueKeys(this.#prefix, name)
    const backend = newBackend(this.#connection, name, keys)
    let listed: 'no' | 'sent' | 'yes' = 'no'
    const send = async () => {
      await Promise.all([
        this.#client.sadd(queuesKey(this.#prefix), name),
        backend.setQueueMeta({ version: `bullmq:${BULLMQ_VERSION}` }),
      ])
    }
    const list = () => {
      if (listed !== 'no') return
      listed = 'sent'
      send().then(
        () => {
          listed = 'yes'
        },
        () => {
          // Redis went away; the enqueue beside it says so, and the next one lists the queue.
          listed = 'no'
        },
      )
    }
    return { name, keys, backend, client: this.#client, list }
  }
}

function newBackend(connection: RedisConnection, name: string, keys: KeysOfQueue): AddBackend {
  const prefix = keys.bull
  const bullKeys = new QueueKeys(prefix)
  const toKey = (type: string) => bullKeys.toKey(name, type)
  const options: QueueBaseOptions & KeyPrefixOptions = { connection: {}, prefix }
  // No blocking connection; and the connection is not this backend's own, as all queues share it.
  return new AddBackend(keys, connection, name, bullKeys.getKeys(name), toKey, options, undefined, false)
}

/** The job as it is sent; `input` is JSON text already. */
export function newJob(name: string, jobId: string, input: string, opts: StoredOptions, timestamp: number): NewJob {
  return { jobId, job: newStoredJob(name, jobId, input, opts, timestamp) }
}
