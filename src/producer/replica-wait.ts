// The second half of durability `strict`: an enqueue resolves once a replica has the job, too. Enqueues of one queue that
// end at the same moment share one wait.
import { NotReplicatedError } from '../job/index.js'
import { BULLMQ_VERSION } from '../ledger/index.js'
import type { RedisClient } from '../redis/index.js'
import type { GateCall } from './redis-gate.js'

/** How long a replica may take to confirm. The connection waits, too: enqueues behind it come later by as much. */
export const REPLICA_WAIT_MS = 1_000

export class ReplicaWait {
  readonly #client: RedisClient
  readonly #waits = new Map<string, Promise<number>>()

  constructor(client: RedisClient) {
    this.#client = client
  }

  /**
   * Resolves when a replica has all that this connection wrote to the node of `metaKey`, BullMQ's meta hash of a queue.
   * @throws NotReplicatedError when none says so in time; what the client rejects with
   */
  async confirm(metaKey: string, { operation, jobId }: GateCall): Promise<void> {
    let wait = this.#waits.get(metaKey)
    if (!wait) {
      wait = this.#wait(metaKey)
      this.#waits.set(metaKey, wait)
    }
    if ((await wait) < 1) throw new NotReplicatedError(operation, REPLICA_WAIT_MS, jobId)
  }

  async #wait(metaKey: string): Promise<number> {
    // Whatever replies came with the same packet join in.
    await new Promise((resolve) => setImmediate(resolve))
    this.#waits.delete(metaKey)
    // A write of its own before it: on a new connection, WAIT would not count what an earlier one wrote. In one pipeline,
    // as on a cluster that sends both to the node of the key.
    const write = this.#client.pipeline().hset(metaKey, 'version', `bullmq:${BULLMQ_VERSION}`)
    const replies = (await write.call('wait', 1, REPLICA_WAIT_MS).exec()) ?? []
    for (const [error] of replies) if (error) throw error
    return Number(replies[1]?.[1] ?? 0)
  }
}
