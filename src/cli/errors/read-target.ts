// What of `drover errors` says which failed jobs, from its options: as the library takes it.
import type { Command } from 'commander'
import { InvalidOptionError, isIsoTime, parseDuration, UsageError } from '../../job/index.js'
import type { FailedTarget } from '../../ledger/index.js'

const DAY_MS = 86_400_000

export function addTargetOptions(command: Command): void {
  command
    .option('--id <ids>', 'these jobs, several with commas between')
    .option('--job <name>', 'jobs of this name')
    .option('--tag <tag>', 'jobs that were enqueued with this tag')
    .option('--since <time>', 'failed since then: ISO 8601 with its zone, or how long ago, as in 2h')
    .option('--until <time>', 'failed until then')
    .option('--all', 'every failed job of the queue')
}

export function readTarget(options: Readonly<Record<string, unknown>>, group: string | undefined): FailedTarget {
  const { id, job, tag, since, until, all } = options as Record<string, string | undefined>
  const target = {
    ...(id === undefined ? {} : { ids: id.split(',') }),
    ...(group === undefined ? {} : { group }),
    ...(job === undefined ? {} : { job }),
    ...(tag === undefined ? {} : { tag }),
    ...(since === undefined ? {} : { since: readTime('--since', since) }),
    ...(until === undefined ? {} : { until: readTime('--until', until) }),
    ...(all === undefined ? {} : { all: true }),
  }
  if (Object.keys(target).length > 0) return target
  throw new UsageError('which failed jobs? a group, --id, --job, --tag, --since, --until, or --all')
}

/** Milliseconds since 1970 of ISO 8601 with its zone, or of how long ago it was. @throws InvalidOptionError */
export function readTime(option: string, value: string): number {
  if (isIsoTime(value)) return Date.parse(value)
  try {
    return Date.now() - parseDuration(value, { option, minMs: 0, maxMs: 3_650 * DAY_MS })
  } catch (cause) {
    throw new InvalidOptionError(option, 'ISO 8601 with its zone, or how long ago, as in 2h', value, { cause })
  }
}

/** `1,10,rest` as the library takes it; what is no number is refused there. */
export function readStages(value: unknown): (number | 'rest')[] | undefined {
  if (value === undefined) return undefined
  return String(value)
    .split(',')
    .map((stage) => (stage === 'rest' ? stage : /^\d{1,9}$/.test(stage) ? Number(stage) : Number.NaN))
}
