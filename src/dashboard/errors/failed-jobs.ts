// What the dashboard does with failed jobs: replays that go on after the request that started them, discards, undos. Over a
// connection of its own, which the first of them opens.
import type { Logger } from 'pino'
import {
  attachErrorScripts,
  type CheckedReplay,
  type CheckedTarget,
  type ErrorRoom,
  openErrorScripts,
  runReplay,
  startReplay,
} from '../../ledger/index.js'
import { bareRedisError, queueKeys, type RedisClient } from '../../redis/index.js'
import { untilConnected } from '../connection.js'

export class FailedJobs {
  readonly #open: () => RedisClient
  readonly #prefix: string
  readonly #logger: Logger | undefined
  readonly #closing = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  #client: RedisClient | undefined
  #scripts: ErrorRoom['scripts'] | undefined

  constructor(open: () => RedisClient, prefix: string, logger: Logger | undefined) {
    this.#open = open
    this.#prefix = prefix
    this.#logger = logger
  }

  room(queue: string): ErrorRoom {
    this.#client ??= this.#open()
    const client = this.#client
    if (this.#scripts === undefined) {
      attachErrorScripts(client)
      this.#scripts = openErrorScripts(client)
    }
    const run: ErrorRoom['run'] = (_operation, command) => untilConnected(client).then(command)
    return { client, keys: queueKeys(this.#prefix, queue), queue, scripts: this.#scripts, run }
  }

  /** Starts a replay and gives its id; it goes on by itself, and its record says how far it is. */
  async retry(queue: string, target: CheckedTarget, replay: CheckedReplay, by: string): Promise<string> {
    const room = this.room(queue)
    const id = await startReplay(room, target, replay, by)
    const running = runReplay(room, id, target, replay, { signal: this.#closing.signal }).catch((error: unknown) =>
      this.#logger?.error(
        { queue, replay: id, err: bareRedisError(error) },
        'a replay ended early; it can be started again',
      ),
    )
    this.#running.add(running)
    void running.finally(() => this.#running.delete(running))
    return id
  }

  /** Stops the replays between two steps; what they put back stays in the queue. */
  async close(): Promise<void> {
    this.#closing.abort()
    if (this.#client?.status === 'ready') await Promise.all(this.#running)
    this.#client?.disconnect()
  }
}
