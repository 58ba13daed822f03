// The events of queues as BullMQ writes them into one stream per queue: one blocking connection per queue that somebody
// listens to, handed out to all who do. How a client hears of them is event-stream.ts.
import type { Redis } from 'ioredis'
import {
  bareRedisError,
  createSubscriberClient,
  queueKeys,
  type RedisClient,
  type RedisSettings,
} from '../../redis/index.js'

export interface QueueEvent {
  /** The stream's own id, ascending. */
  readonly id: string
  readonly fields: Readonly<Record<string, string>>
}

export type Listener = (events: readonly QueueEvent[]) => void

export interface EventFeedsOptions {
  readonly prefix: string
  readonly settings: RedisSettings
  /** Told when a feed broke; its listeners have been told with `onEnd`. */
  readonly onError: (error: Error) => void
}

/** Below the silence after which a subscriber's connection counts as lost, so that a quiet queue keeps it. */
const BLOCK_MS = 5_000
const EVENTS_AT_ONCE = 500
/** Before everything that a stream can hold. */
export const START = '0-0'

type Reply = [string, string[]][]

export class EventFeeds {
  readonly #options: EventFeedsOptions
  readonly #feeds = new Map<string, QueueFeed>()

  constructor(options: EventFeedsOptions) {
    this.#options = options
  }

  /** Calls the listener for every event after `position`, which it answers, until `stop`. */
  async listen(
    queue: string,
    listener: Listener,
    onEnd: () => void,
  ): Promise<{ readonly position: string; readonly stop: () => void }> {
    let feed = this.#feeds.get(queue)
    if (feed === undefined || feed.isEnded) {
      feed = new QueueFeed(queue, this.#options)
      this.#feeds.set(queue, feed)
    }
    return feed.add(listener, onEnd)
  }

  close(): void {
    for (const feed of this.#feeds.values()) feed.end()
    this.#feeds.clear()
  }
}

class QueueFeed {
  isEnded = false
  readonly #client: RedisClient
  readonly #key: string
  readonly #listeners = new Map<Listener, () => void>()
  readonly #onError: (error: Error) => void
  readonly #begun: Promise<void>
  #position = START

  constructor(queue: string, { settings, prefix, onError }: EventFeedsOptions) {
    this.#client = createSubscriberClient(settings)
    this.#key = eventsKeyOf(prefix, queue)
    this.#onError = onError
    this.#begun = this.#begin()
    void this.#begun.then(
      () => this.#follow(),
      (error: unknown) => this.#fail(error),
    )
  }

  async add(listener: Listener, onEnd: () => void): Promise<{ position: string; stop: () => void }> {
    // Before anything is awaited: a feed without a listener ends.
    this.#listeners.set(listener, onEnd)
    const stop = () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.end()
    }
    try {
      await this.#begun
    } catch (error) {
      stop()
      throw error
    }
    return { position: this.#position, stop }
  }

  end(): void {
    if (this.isEnded) return
    this.isEnded = true
    this.#client.disconnect()
    const ends = [...this.#listeners.values()]
    this.#listeners.clear()
    for (const onEnd of ends) onEnd()
  }

  async #begin(): Promise<void> {
    const newest = await this.#client.xrevrange(this.#key, '+', '-', 'COUNT', 1)
    this.#position = newest[0]?.[0] ?? START
  }

  async #follow(): Promise<void> {
    while (!this.isEnded) {
      try {
        const events = await this.#read()
        if (events.length === 0 || this.isEnded) continue
        this.#position = events.at(-1)?.id ?? this.#position
        for (const listener of [...this.#listeners.keys()]) listener(events)
      } catch (error) {
        return this.#fail(error)
      }
    }
  }

  async #read(): Promise<QueueEvent[]> {
    const from = ['STREAMS', this.#key, this.#position] as const
    const client = this.#client as Redis
    const replies = await client.xread('COUNT', EVENTS_AT_ONCE, 'BLOCK', BLOCK_MS, ...from)
    return toEvents((replies?.[0]?.[1] ?? []) as Reply)
  }

  #fail(error: unknown): void {
    if (!this.isEnded) this.#onError(bareRedisError(error))
    this.end()
  }
}

/** Events after an id, the oldest first, at most so many. */
export async function readEvents(
  client: RedisClient,
  prefix: string,
  queue: string,
  { after, upTo }: { readonly after: string; readonly upTo: string },
): Promise<QueueEvent[]> {
  const range = [`(${after}`, upTo, 'COUNT', EVENTS_AT_ONCE] as const
  return toEvents((await client.xrange(eventsKeyOf(prefix, queue), ...range)) as Reply)
}

/** The id of the oldest event that is still kept; undefined when there is none. */
export async function oldestEvent(client: RedisClient, prefix: string, queue: string): Promise<string | undefined> {
  return (await client.xrange(eventsKeyOf(prefix, queue), '-', '+', 'COUNT', 1))[0]?.[0]
}

/** Whether one id of a stream stands behind another. */
export function isAfter(one: string, other: string): boolean {
  const [ms = 0n, count = 0n] = one.split('-').map(BigInt)
  const [otherMs = 0n, otherCount = 0n] = other.split('-').map(BigInt)
  return ms === otherMs ? count > otherCount : ms > otherMs
}

function eventsKeyOf(prefix: string, queue: string): string {
  return `${queueKeys(prefix, queue).bullBase}events`
}

function toEvents(reply: Reply): QueueEvent[] {
  return reply.map(([id, words]) => {
    const fields: Record<string, string> = {}
    for (let at = 0; at + 1 < words.length; at += 2) fields[words[at] as string] = words[at + 1] as string
    return { id, fields }
  })
}
