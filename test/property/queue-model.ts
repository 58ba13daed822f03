// What a queue with its ledger must look like after any sequence of calls: a plain model in memory, and the same things
// read from Redis. queue-commands.ts changes both; queue.test.ts lets fast-check look for a sequence that parts them.
import { expect } from 'vitest'
import { parseResult } from '../../src/ledger/index.js'
import type { Kernel } from '../support/kernel.js'

export const COUNTERS = ['bytes', 'pages'] as const
export const LIST = 'log-of-test'

export interface ModelJob {
  readonly id: string
  readonly name: string
  readonly attempts: number
  readonly priority: number
  readonly lifo: boolean
  /** Attempts that ran to their end. */
  made: number
  stalls: number
  state: 'waiting' | 'delayed' | 'prioritized' | 'active' | 'completed' | 'failed'
}

export interface ModelResult {
  readonly status: 'completed' | 'failed'
  readonly value?: number
  readonly attempts: number
}

export class Model {
  readonly jobs = new Map<string, ModelJob>()
  /** Ids that wait, the next first. */
  readonly waiting: string[] = []
  /** Ids that wait by priority, the next first. */
  prioritized: string[] = []
  readonly totals = new Map<string, number>()
  readonly counters = new Map<string, number>()
  readonly results = new Map<string, ModelResult>()
  readonly staged: string[] = []
  paused = false

  idsIn(state: ModelJob['state']): string[] {
    return [...this.jobs.values()].filter((job) => job.state === state).map((job) => job.id)
  }

  /** Puts a job where it waits for its run: at the end of its line, or at the head of all. */
  wait(job: ModelJob, place: 'last' | 'next' = 'last'): void {
    if (job.priority === 0 || place === 'next') {
      job.state = 'waiting'
      if (place === 'next') this.waiting.unshift(job.id)
      else this.waiting.push(job.id)
      return
    }
    job.state = 'prioritized'
    const priorityOf = (id: string) => this.jobs.get(id)?.priority ?? 0
    const behind = this.prioritized.findIndex((id) => priorityOf(id) > job.priority)
    this.prioritized.splice(behind === -1 ? this.prioritized.length : behind, 0, job.id)
  }

  /** Takes a job out of the lines. */
  leave(id: string): void {
    const at = this.waiting.indexOf(id)
    if (at !== -1) this.waiting.splice(at, 1)
    this.prioritized = this.prioritized.filter((other) => other !== id)
  }

  /** The job that a worker gets next. */
  next(): string | undefined {
    return this.paused ? undefined : (this.waiting[0] ?? this.prioritized[0])
  }

  count(map: Map<string, number>, name: string, by: number): void {
    map.set(name, (map.get(name) ?? 0) + by)
  }
}

/** Compares all that the model predicts with all that Redis holds. */
export async function expectModel(model: Model, { client, keys, bull }: Kernel, ids: readonly string[]): Promise<void> {
  const list = (key: string) => client.lrange(key, 0, -1)
  const sorted = (key: string) => client.zrange(key, '0', '-1')
  // Asked for in one go, so in one round trip.
  const [wait, active, delayed, prioritized, completed, failed, paused, totals, counters, results, staged] =
    await Promise.all([
      list(bull('wait')),
      list(bull('active')),
      sorted(bull('delayed')),
      sorted(bull('prioritized')),
      sorted(bull('completed')),
      sorted(bull('failed')),
      list(bull('paused')),
      client.hgetall(keys.totals),
      client.mget(COUNTERS.map((name) => keys.counter(name))),
      client.mget(ids.map((id) => keys.result(id))),
      list(LIST),
    ])
  expect({
    // BullMQ takes from the end of the list.
    waiting: wait.reverse(),
    prioritized,
    paused,
    active: active.sort(),
    delayed: delayed.sort(),
    completed: completed.sort(),
    failed: failed.sort(),
    totals: Object.fromEntries(Object.entries(totals).map(([field, count]) => [field, Number(count)])),
    counters: counters.map(Number),
    results: results.map(shape),
    staged,
  }).toEqual({
    waiting: model.waiting,
    prioritized: model.prioritized,
    paused: [],
    active: model.idsIn('active').sort(),
    delayed: model.idsIn('delayed').sort(),
    completed: model.idsIn('completed').sort(),
    failed: model.idsIn('failed').sort(),
    totals: Object.fromEntries(model.totals),
    counters: COUNTERS.map((name) => model.counters.get(name) ?? 0),
    results: ids.map((id) => model.results.get(id) ?? null),
    staged: model.staged,
  })
}

function shape(text: string | null): ModelResult | null {
  const record = parseResult(text)
  if (record === null) return null
  const { status, attempts } = record
  return record.status === 'completed' ? { status, attempts, value: record.value as number } : { status, attempts }
}
