// The outcome of a row as a person reads it: one line of figures, and one line for each problem.
import type { RowOutcome } from './run-row.js'

export function showOutcome({ row, size, seed, ok, seconds, report, figures, problems }: RowOutcome): string {
  const facts: Record<string, unknown> = { size, seed, seconds }
  if (report) {
    const { resultWrites, recoveryMs, cutTwiceMs, problems: _problems, ok: _ok, ...counts } = report
    Object.assign(facts, counts)
    if (resultWrites) facts.resultWrites = `${resultWrites.min}..${resultWrites.max}`
    if (recoveryMs) facts.recoveryMs = recoveryMs
    if (cutTwiceMs) facts.cutTwiceMs = cutTwiceMs
  }
  Object.assign(facts, figures)
  const words = Object.entries(facts).map(([name, value]) => `${name}=${showValue(value)}`)
  const lines = problems.map(({ kind, text }) => `  ${kind}: ${text}`)
  return [`${row} ${ok ? 'ok' : 'FAILED'} ${words.join(' ')}`, ...lines].join('\n')
}

function showValue(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, each]) => `${name}:${each}`)
    .join(',')
}
