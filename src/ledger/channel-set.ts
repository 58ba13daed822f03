// The channels one subscriber connection listens to, on one server and, as sharded channels, on a cluster. Who waits for
// a message is result-waiter.ts's business.
import type { ChainableCommander } from 'ioredis'
import type { RedisClient } from '../redis/index.js'

export interface ChannelSetOptions {
  readonly open: (onError: (error: Error) => void) => RedisClient
  readonly onMessage: (channel: string, text: string) => void
  /** Messages sent since the connection was lost did not arrive; new ones do. */
  readonly onReconnect: () => void
  readonly onError: (error: Error) => void
}

/** How long a channel without a wait may stay subscribed: its removal then shares a round trip with others. */
const LINGER_MS = 50
/** What a server that speaks RESP2 answers to a read on a subscribed connection. */
const SUBSCRIBER_ONLY = /only .*SUBSCRIBE.* allowed in this context|subscriber mode/i

/** Owns its connection, from the constructor to `close`. */
export class ChannelSet {
  readonly #client: RedisClient
  readonly #wanted = new Set<string>()
  readonly #leaving = new Set<string>()
  #leaveTimer: NodeJS.Timeout | undefined
  #mayRead: boolean

  constructor({ open, onMessage, onReconnect, onError }: ChannelSetOptions) {
    this.#client = open(onError)
    this.#mayRead = !this.#client.isCluster
    this.#client.on(this.#client.isCluster ? 'smessage' : 'message', onMessage)
    this.#client.once('ready', () => this.#client.on('ready', onReconnect))
  }

  get isReady(): boolean {
    return this.#client.status === 'ready'
  }

  /** Subscribes to channels of one queue; resolves when each later message on them will arrive. Adding twice is harmless. */
  async add(channels: readonly string[]): Promise<void> {
    this.#want(channels)
    if (this.#client.isCluster) await this.#client.ssubscribe(...channels)
    else await this.#client.subscribe(...channels)
  }

  /**
   * Starts a pipeline on this connection that subscribes first: what is read behind it was so after the subscription took
   * hold. Its first reply is that of the subscription. Undefined where a subscribed connection cannot read (a cluster, or
   * RESP2), or is not there; then `add` and another connection do.
   */
  addAndRead(channels: readonly string[]): ChainableCommander | undefined {
    if (!this.#mayRead || !this.isReady) return undefined
    this.#want(channels)
    return this.#client.pipeline().subscribe(...channels)
  }

  /** Tells whether an error of such a pipeline means that this server cannot do it; no further one is started then. */
  cannotRead(error: unknown): boolean {
    if (!(error instanceof Error && SUBSCRIBER_ONLY.test(error.message))) return false
    this.#mayRead = false
    return true
  }

  /** Unsubscribes a little later, together with others, unless the channel is added again. */
  remove(channel: string): void {
    this.#wanted.delete(channel)
    this.#leaving.add(channel)
    this.#leaveTimer ??= setTimeout(() => this.#unsubscribe(), LINGER_MS)
  }

  close(): void {
    clearTimeout(this.#leaveTimer)
    this.#client.disconnect()
  }

  #want(channels: readonly string[]): void {
    for (const channel of channels) {
      this.#wanted.add(channel)
      this.#leaving.delete(channel)
    }
  }

  #unsubscribe(): void {
    this.#leaveTimer = undefined
    const left = [...this.#leaving]
    this.#leaving.clear()
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
