// How many workers a pool should have now: observed, judged by desired-workers.ts, and kept for who asks next. Whoever
// asks goes on from what the last one kept, so that workers, commands and requests give one answer.
import { readFileSync } from 'node:fs'
import { InvalidOptionError } from '../../job/index.js'
import { autoscaleKey, autoscaleWorkersKey, checkQueueName, type RedisClient } from '../../redis/index.js'
import {
  type AutoscaleAnswer,
  type AutoscaleRules,
  type AutoscaleState,
  desiredWorkers,
  type QueueLoad,
} from './desired-workers.js'
import { observePool } from './observe-pool.js'

/** Longer than any window of the past that counts. */
const STATE_TTL_MS = 2 * 3_600_000
/** The number itself is gone when nobody has told it for so long. */
const NUMBER_TTL_MS = 60_000
const MAX_QUEUES = 100

const lua = readFileSync(new URL('./keep-autoscale.lua', import.meta.url), 'utf8')

export interface Autoscale {
  readonly queues: readonly QueueLoad[]
  /** Workers that serve the pool now. */
  readonly workers: number
  readonly desired: number
  /** What the present moment alone asks for. */
  readonly wanted: number
}

export interface AutoscaleQuestion {
  readonly prefix: string
  readonly queues: readonly string[]
  readonly rules: AutoscaleRules
  /** `number`: also tell it under its own key, for other programs. `nothing`: leave Redis as it is. */
  readonly keeps: 'nothing' | 'state' | 'number'
}

/** @throws InvalidOptionError without a queue or with more than 100, InvalidQueueNameError, and what Redis answers */
export async function askAutoscale(client: RedisClient, question: AutoscaleQuestion): Promise<Autoscale> {
  const { prefix, rules, keeps } = question
  const queues = [...new Set(question.queues.map(checkQueueName))].sort()
  if (queues.length === 0 || queues.length > MAX_QUEUES) {
    throw new InvalidOptionError('queues', `1 to ${MAX_QUEUES} queues`, queues.length)
  }
  const pool = queues.join(',')
  const key = autoscaleKey(prefix, pool, rules.waitTargetMs)
  const kept = await client.get(key)
  const load = await observePool(client, prefix, queues, rules)
  const answer = desiredWorkers(load, parseState(kept), rules)
  if (keeps !== 'nothing') {
    const count = keeps === 'number' ? answer.desired : ''
    const words = [kept ?? '', JSON.stringify(answer.state), STATE_TTL_MS, count, NUMBER_TTL_MS]
    // Whoever was quicker has kept as good an answer.
    await client.eval(lua, 2, key, autoscaleWorkersKey(prefix, pool, rules.waitTargetMs), ...words)
  }
  return { queues: load.queues, workers: load.workers, desired: answer.desired, wanted: answer.wanted }
}

/** When the pool was last judged, milliseconds since 1970; 0 when it is not known. */
export async function lastAutoscale(
  client: RedisClient,
  prefix: string,
  queues: readonly string[],
  waitTargetMs: number,
): Promise<number> {
  return parseState(await client.get(autoscaleKey(prefix, [...queues].sort().join(','), waitTargetMs)))?.at ?? 0
}

// What another version or program left there counts as none.
function parseState(text: string | null): AutoscaleAnswer['state'] | undefined {
  if (text === null) return undefined
  try {
    const state = JSON.parse(text) as Partial<AutoscaleState> | null
    const isNumbers = (values: unknown[]) => values.length > 0 && values.every((value) => Number.isFinite(value))
    const { at, queues, wanted } = state ?? {}
    const isWhole =
      isNumbers([at]) &&
      Object.values(queues ?? {}).every((queue) =>
        isNumbers([queue.present, queue.ended, queue.arriving, queue.ending]),
      ) &&
      Array.isArray(wanted) &&
      wanted.every((step) => Array.isArray(step) && step.length === 2 && isNumbers([...step]))
    return isWhole && queues ? (state as AutoscaleState) : undefined
  } catch {
    return undefined
  }
}
