// How soon jobs ran again after a fault, read from the ledger alone.
import type { Noted } from './ledger-file.js'

export interface Spread {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** The middle, the 99th percentile (nearest rank) and the largest of these, rounded to milliseconds. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = (share: number) => Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0)
  return { count: sorted.length, p50: rank(0.5), p99: rank(0.99), max: rank(1) }
}

export interface Recovery {
  /** Runs beyond the first of each job. */
  readonly reruns: number
  /** From the kill of a worker to the next start of each job that it ran. */
  readonly recoveryMs: Spread | undefined
  /** The same, of jobs that were also handed to a worker which was killed in turn before it began them. */
  readonly cutTwiceMs: Spread | undefined
}

/** Counts runs beyond the first of each job, and how long each run that a fault cut short waited for the next. */
export function readRecovery(lines: readonly Noted[]): Recovery {
  const faultsByPid = new Map<number, number>()
  for (const line of lines) if (line.e === 'fault' && line.pid !== undefined) faultsByPid.set(line.pid, line.at)
  const isFaultBetween = (from: number, to: number) => [...faultsByPid.values()].some((at) => at > from && at < to)
  const lastRun = new Map<string, { pid: number; token: number | undefined; over: boolean }>()
  const once: number[] = []
  const twice: number[] = []
  let reruns = 0
  for (const line of lines) {
    if (line.e === 'threw') {
      const run = lastRun.get(line.id)
      if (run?.pid === line.pid) run.over = true
    }
    if (line.e !== 'start') continue
    const before = lastRun.get(line.id)
    if (before) reruns++
    const faultAt = before && !before.over ? faultsByPid.get(before.pid) : undefined
    if (faultAt !== undefined && faultAt < line.at && before?.pid !== line.pid) {
      const handedOut = (line.token ?? 0) - (before?.token ?? 0)
      const isCutTwice = handedOut > 1 && isFaultBetween(faultAt, line.at)
      ;(isCutTwice ? twice : once).push(line.at - faultAt)
    }
    lastRun.set(line.id, { pid: line.pid, token: line.token, over: false })
  }
  const spread = (values: number[]) => (values.length === 0 ? undefined : spreadOf(values))
  return { reruns, recoveryMs: spread(once), cutTwiceMs: spread(twice) }
}
