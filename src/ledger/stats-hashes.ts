// Which stats hashes cover a span of time, and reading them in bounded pieces: a hash per minute for 48 hours, one per
// hour for 90 days. What is in them is read by stats.ts and counters.ts; rollup.ts makes the hours.
import { InvalidOptionError } from '../job/index.js'
import type { KeysOfQueue, RedisClient } from '../redis/index.js'

export type StatsStep = 'minute' | 'hour'

export interface StatsSpan {
  /** Start of the span, milliseconds since 1970; the step that it falls in is the first one. */
  readonly sinceMs: number
  readonly step: StatsStep
  /** End of the span, by default now. */
  readonly nowMs?: number
}

/** One step of a span: when it starts, and what was read from the hashes that cover it. */
export interface StepReplies<Reply> {
  readonly at: number
  readonly replies: readonly Reply[]
}

export type ReadHash =
  | readonly ['hgetall']
  | readonly ['hmget', ...string[]]
  /** With further keys, which count too. */
  | readonly ['exists', ...string[]]

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
/** How far back minutes and hours reach: the TTL of their hashes. */
const MAX_STEPS = { minute: 2_880, hour: 2_160 } as const
/** Hours this recent may not be rolled up yet; their minutes are still there. */
export const HOURS_WITH_MINUTES = 48
export const MINUTES_AN_HOUR = 60
/** Commands a pipeline: what Redis answers between two other clients, and what is held in memory at once. */
const CHUNK = 240
/** Reads that go without a pipeline, which takes its time to make: for each it gets all scripts that the client knows. */
const FEW = 5

/**
 * Runs one read on every stats hash of the span. A step of an hour that has no hash of its own yet gets the replies of
 * its 60 minutes.
 * @throws InvalidOptionError when the span starts in the future, or earlier than its hashes are kept
 */
export async function readStatsHashes<Reply>(
  client: RedisClient,
  keys: KeysOfQueue,
  span: StatsSpan,
  read: ReadHash,
): Promise<StepReplies<Reply>[]> {
  const { first, last, stepMs } = stepsOf(span)
  const steps = Array.from({ length: last - first + 1 }, (_, index) => first + index)
  if (span.step === 'minute') {
    const replies = await readAll<Reply>(
      client,
      steps.map((minute) => [keys.stats(minute), read]),
    )
    return steps.map((minute, index) => ({ at: minute * stepMs, replies: [replies[index] as Reply] }))
  }
  const missing = await hoursWithoutHash(client, keys, steps, last)
  const wanted = steps.flatMap((hour) => (missing.has(hour) ? minutesOf(keys, hour) : [keys.statsHour(hour)]))
  const replies = await readAll<Reply>(
    client,
    wanted.map((key) => [key, read]),
  )
  let at = 0
  return steps.map((hour) => {
    const count = missing.has(hour) ? MINUTES_AN_HOUR : 1
    at += count
    return { at: hour * stepMs, replies: replies.slice(at - count, at) }
  })
}

/** The keys of the 60 minute hashes of an hour. */
export function minutesOf(keys: KeysOfQueue, hour: number): string[] {
  const first = hour * MINUTES_AN_HOUR
  return Array.from({ length: MINUTES_AN_HOUR }, (_, index) => keys.stats(first + index))
}

function stepsOf({ sinceMs, step, nowMs = Date.now() }: StatsSpan): { first: number; last: number; stepMs: number } {
  const stepMs = step === 'minute' ? MINUTE_MS : HOUR_MS
  const first = Math.floor(sinceMs / stepMs)
  const last = Math.floor(nowMs / stepMs)
  if (Number.isFinite(first) && first <= last && last - first < MAX_STEPS[step]) return { first, last, stepMs }
  const reach = step === 'minute' ? '48 hours by minute, or 90 days by hour' : '90 days'
  throw new InvalidOptionError('since', `a time in the past, at most ${reach} ago`, sinceMs)
}

async function hoursWithoutHash(
  client: RedisClient,
  keys: KeysOfQueue,
  hours: readonly number[],
  lastHour: number,
): Promise<Set<number>> {
  const recent = hours.filter((hour) => hour > lastHour - HOURS_WITH_MINUTES)
  const exists = await readAll<number>(
    client,
    recent.map((hour) => [keys.statsHour(hour), ['exists']]),
  )
  return new Set(recent.filter((_, index) => exists[index] === 0))
}

/** The replies of these reads of one queue's keys, in bounded pieces. */
export async function readAll<Reply>(
  client: RedisClient,
  reads: readonly (readonly [key: string, read: ReadHash])[],
): Promise<Reply[]> {
  const replies: Reply[] = []
  if (reads.length <= FEW) {
    return Promise.all(reads.map(([key, [command, ...words]]) => client.call(command, key, ...words) as Promise<Reply>))
  }
  for (let start = 0; start < reads.length; start += CHUNK) {
    const pipeline = client.pipeline()
    for (const [key, [command, ...words]] of reads.slice(start, start + CHUNK)) pipeline.call(command, key, ...words)
    for (const [error, reply] of (await pipeline.exec()) ?? []) {
      if (error) throw error
      replies.push(reply as Reply)
    }
  }
  return replies
}
