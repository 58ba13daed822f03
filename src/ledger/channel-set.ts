// The channels one subscriber connection listens to, on one server and, as sharded channels, on a cluster. Who waits for
// a message is result-waiter.ts's business.
import type { RedisClient } from '../redis/index.js'

export interface ChannelSetOptions {
  readonly open: (onError: (error: Error) => void) => RedisClient
  readonly onMessage: (channel: string, text: string) => void
  /** Messages sent since the connection was lost did not arrive; new ones do. */
  readonly onReconnect: () => void
  readonly onError: (error: Error) => void
}

/** Owns its connection, from the constructor to `close`. */
export class ChannelSet {
  readonly #client: RedisClient
  readonly #wanted = new Set<string>()
  #leaving: string[] = []

  constructor({ open, onMessage, onReconnect, onError }: ChannelSetOptions) {
    this.#client = open(onError)
    this.#client.on(this.#client.isCluster ? 'smessage' : 'message', onMessage)
    this.#client.once('ready', () => this.#client.on('ready', onReconnect))
  }

  /** Subscribes to channels of one queue; resolves when each later message on them will arrive. Adding twice is harmless. */
  async add(channels: readonly string[]): Promise<void> {
    for (const channel of channels) this.#wanted.add(channel)
    if (this.#client.isCluster) await this.#client.ssubscribe(...channels)
    else await this.#client.subscribe(...channels)
  }

  /** Unsubscribes at the end of this turn of the event loop, together with others, unless the channel is added again. */
  remove(channel: string): void {
    this.#wanted.delete(channel)
    this.#leaving.push(channel)
    if (this.#leaving.length === 1) queueMicrotask(() => this.#unsubscribe())
  }

  close(): void {
    this.#client.disconnect()
  }

  #unsubscribe(): void {
    const left = this.#leaving.splice(0).filter((channel) => !this.#wanted.has(channel))
    for (const channels of this.#client.isCluster ? groupByTag(left) : [left]) {
      if (channels.length === 0) continue
      const done = this.#client.isCluster
        ? this.#client.sunsubscribe(...channels)
        : this.#client.unsubscribe(...channels)
      // Only a connection that was closed for good refuses, and that has no subscriptions.
      done.catch(() => undefined)
    }
  }
}

/** On a cluster one command takes channels of one slot: those with the same hash tag. */
function groupByTag(channels: readonly string[]): Iterable<string[]> {
  const groups = new Map<string, string[]>()
  for (const channel of channels) {
    const tag = channel.slice(0, channel.indexOf('}') + 1)
    const group = groups.get(tag)
    if (group) group.push(channel)
    else groups.set(tag, [channel])
  }
  return groups.values()
}
