// A schedule as code or a person gives it: its options checked, its input encoded, and turned into what Redis keeps.
import {
  type AnyJobContract,
  checkWhole,
  cronTimes,
  type Duration,
  encodeInput,
  type InputOf,
  InvalidOptionError,
  isJobContract,
  isJobName,
  JOB_NAME_RULE,
  parseDuration,
  refuseUnknown,
  type ScheduleTimes,
} from '../../job/index.js'
import { planQueueing, withLimit } from '../stored-job.js'
import { type StoringMiddleware, textThrough } from '../stored-text.js'
import { MAX_MISSED, type MissedTicks, type Overlap, type ScheduleSpec } from './schedule-record.js'

// In the global registry, so that two installed copies of this package accept each other's schedules.
const SCHEDULE_BRAND = Symbol.for('drover.schedule')

export interface ScheduleOptions<Contract extends AnyJobContract = AnyJobContract> {
  /** Unique among the schedules of its queue: 1 to 64 characters of A-Z a-z 0-9 _ . -, the first a letter or digit. */
  readonly name: string
  /** Five cron fields, or six with seconds first, or @daily and its like. Either `cron` or `every`. */
  readonly cron?: string
  /** IANA time zone of `cron`. Default `UTC`. */
  readonly timezone?: string
  /** 1 s to 365 days: ticks at whole multiples of it since 1970. */
  readonly every?: Duration
  readonly input: InputOf<Contract>
  /**
   * What becomes of ticks that are more than a minute old when a worker comes to them: none runs (`skip`), the newest one
   * (`one`, the default), or all (`all`), up to `missedLimit`.
   */
  readonly missed?: MissedTicks
  /** Most missed ticks that run with `all`, the newest, 1 to 1000. Default 100. */
  readonly missedLimit?: number
  /**
   * What a tick does while the job of the one before is unfinished: another job (`allow`, the default), none (`skip`), or
   * one as soon as that has ended, however many ticks passed (`queue`).
   */
  readonly overlap?: Overlap
  /** As for `enqueue`. */
  readonly priority?: number
  readonly attempts?: number
  readonly keepResult?: Duration
}

/** A checked schedule, data only. Exported by a job file, a worker keeps it in Redis. */
export interface Schedule<Contract extends AnyJobContract = AnyJobContract> {
  readonly contract: Contract
  readonly name: string
  readonly options: ScheduleOptions<Contract>
  readonly times: ScheduleTimes
}

const NAMES = [
  'name',
  'cron',
  'timezone',
  'every',
  'input',
  'missed',
  'missedLimit',
  'overlap',
  'priority',
  'attempts',
  'keepResult',
]
const MAX_NAME = 64
const DEFAULT_MISSED_LIMIT = 100

/**
 * Describes when a job is enqueued again and again. Touches neither Redis nor the clock; the input is checked when the
 * schedule is set.
 * @throws InvalidOptionError, UnknownOptionError
 */
export function defineSchedule<Contract extends AnyJobContract>(
  contract: Contract,
  options: ScheduleOptions<Contract>,
): Schedule<Contract> {
  if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
  refuseUnknown(options, NAMES, 'defineSchedule')
  const { name, missed = 'one', missedLimit = DEFAULT_MISSED_LIMIT, overlap = 'allow' } = options
  checkScheduleName(name)
  checkOneOf('missed', missed, ['skip', 'one', 'all'])
  checkOneOf('overlap', overlap, ['allow', 'skip', 'queue'])
  checkWhole('missedLimit', missedLimit, 1, MAX_MISSED)
  const schedule = { contract, name, options: { ...options, missed, missedLimit, overlap }, times: readTimes(options) }
  Object.defineProperty(schedule, SCHEDULE_BRAND, { value: true })
  return Object.freeze(schedule)
}

/** True for what `defineSchedule` returned, also from another copy of this package. */
export function isSchedule(value: unknown): value is Schedule {
  return (
    typeof value === 'object' && value !== null && (value as { [SCHEDULE_BRAND]?: unknown })[SCHEDULE_BRAND] === true
  )
}

/** @throws InvalidOptionError */
export function checkScheduleName(name: unknown): asserts name is string {
  if (isJobName(name) && name.length <= MAX_NAME) return
  throw new InvalidOptionError('name', JOB_NAME_RULE.replace('128', String(MAX_NAME)), name)
}

/** What Redis keeps of the schedule; `middleware` is around its input. @throws InvalidInputError, NotJsonError, TooLargeError, InvalidOptionError */
export async function specOf(
  { name, contract, options, times }: Schedule,
  middleware?: readonly StoringMiddleware[],
): Promise<ScheduleSpec> {
  const { input, missed = 'one', missedLimit = DEFAULT_MISSED_LIMIT, overlap = 'allow' } = options
  const { priority, attempts, keepResult } = options
  const queueing = {
    ...(priority === undefined ? {} : { priority }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(keepResult === undefined ? {} : { keepResult }),
  }
  return {
    job: contract.name,
    times,
    input: await textThrough(middleware, { contract, id: name, input, inputText: await encodeInput(contract, input) }),
    options: withLimit(contract, { ...planQueueing(contract, queueing, 0) }, input),
    missed,
    missedLimit,
    overlap,
  }
}

function readTimes({ cron, timezone, every }: ScheduleOptions): ScheduleTimes {
  if ((cron === undefined) === (every === undefined)) {
    throw new InvalidOptionError('cron', 'either cron or every', cron === undefined ? undefined : 'both')
  }
  if (every === undefined) return cronTimes(cron, timezone)
  if (timezone !== undefined) throw new InvalidOptionError('timezone', 'cron beside it, not every', timezone)
  return { kind: 'every', everyMs: parseDuration(every, { option: 'every', minMs: 1_000 }) }
}

function checkOneOf(option: string, value: unknown, allowed: readonly string[]): void {
  if (typeof value === 'string' && allowed.includes(value)) return
  throw new InvalidOptionError(option, allowed.map((each) => `'${each}'`).join(', '), value)
}
