// The rules of autoscaling as people give them: to a worker, a command or a request; their defaults and limits.
import { type Duration, InvalidOptionError, parseDuration, suggest, UnknownOptionError } from '../../job/index.js'
import type { AutoscaleRules } from './desired-workers.js'

export interface AutoscaleOptions {
  /** How long a job may wait before it starts, 1 s to 1 day. Default 30 s. A shorter one takes more workers. */
  readonly waitTarget?: Duration | undefined
  /** Fewest workers, 0 to 10,000. Default 0. */
  readonly minWorkers?: number | undefined
  /** Most workers, 1 to 10,000. Default 10. */
  readonly maxWorkers?: number | undefined
  /** For how long the number stays at the most that was wanted, up to 1 h. Default 5 m; zero follows each dip. */
  readonly scaleDown?: Duration | undefined
}

const MAX_WORKERS = 10_000
const HOUR_MS = 3_600_000
const NAMES = ['waitTarget', 'minWorkers', 'maxWorkers', 'scaleDown']

/** @throws InvalidOptionError, UnknownOptionError */
export function readAutoscaleRules(options: AutoscaleOptions): AutoscaleRules {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidOptionError('autoscale', `an object of ${NAMES.join(', ')}`, options)
  }
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) throw new UnknownOptionError(name, suggest(name, NAMES), 'autoscale')
  }
  const minWorkers = whole('minWorkers', options.minWorkers ?? 0, 0)
  const maxWorkers = whole('maxWorkers', options.maxWorkers ?? Math.max(10, minWorkers), 1)
  if (minWorkers > maxWorkers) {
    throw new InvalidOptionError('minWorkers', `at most maxWorkers, which is ${maxWorkers}`, minWorkers)
  }
  return {
    waitTargetMs: parseDuration(options.waitTarget ?? '30s', {
      option: 'waitTarget',
      minMs: 1_000,
      maxMs: 24 * HOUR_MS,
    }),
    minWorkers,
    maxWorkers,
    scaleDownMs: parseDuration(options.scaleDown ?? '5m', { option: 'scaleDown', minMs: 0, maxMs: HOUR_MS }),
  }
}

function whole(option: string, value: unknown, least: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= MAX_WORKERS)
    return value as number
  throw new InvalidOptionError(option, `a whole number from ${least} to ${MAX_WORKERS}`, value)
}
