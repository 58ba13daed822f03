// The rules for the names inside Redis keys: of queues, jobs and counters, and the prefix. keys.ts puts them together.
import {
  InvalidCounterNameError,
  InvalidJobIdError,
  InvalidPrefixError,
  InvalidQueueNameError,
  isQueueName,
} from '../job/index.js'

/**
 * The names BullMQ 6 keeps beside its jobs, under `bullBase`: a job of such an id would overwrite the queue's own
 * structure. A test compares this list with BullMQ's `QueueKeys`.
 */
export const BULL_RESERVED_IDS: readonly string[] = [
  '',
  'active',
  'wait',
  'waiting-children',
  'paused',
  'id',
  'delayed',
  'prioritized',
  'stalled-check',
  'completed',
  'failed',
  'stalled',
  'repeat',
  'limiter',
  'meta',
  'events',
  'pc',
  'marker',
  'de',
]

const RESERVED = new Set(BULL_RESERVED_IDS)
const JOB_ID = /^[A-Za-z0-9_.-]{1,128}$/
const INTEGER = /^-?\d+$/
const COUNTER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/
const COUNTER_NAME_RULE = '1 to 128 characters of A-Z a-z 0-9 _ . : -, the first a letter or digit'
const PREFIX = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/
/** What `checkPrefix` asks for, in words. */
export const PREFIX_RULE = '1 to 32 characters of A-Z a-z 0-9 _ -, the first a letter or digit, no braces'

/**
 * Gives the name back when it may name a queue: 1 to 64 letters, digits, `_`, `.` or `-`, first a letter or digit.
 * A colon would split BullMQ's keys, a brace the hash tag, and a name that a key of ours has would mix the two.
 * @throws InvalidQueueNameError
 */
export function checkQueueName(name: string): string {
  if (!isQueueName(name)) throw new InvalidQueueNameError(name)
  return name
}

/**
 * Gives the id back when it may name a job: 1 to 128 letters, digits, `_`, `.` or `-`, not a whole number (BullMQ
 * counts its own ids with those) and none of `BULL_RESERVED_IDS`.
 * @throws InvalidJobIdError
 */
export function checkJobId(id: string): string {
  if (typeof id !== 'string' || !JOB_ID.test(id)) throw new InvalidJobIdError(id)
  if (INTEGER.test(id)) throw new InvalidJobIdError(id, 'an id that is not a whole number, such as order-17')
  if (RESERVED.has(id)) throw new InvalidJobIdError(id, 'an id that BullMQ does not use itself')
  return id
}

/**
 * Gives the name back when it may name a counter: 1 to 128 letters, digits, `_`, `.`, `:` or `-`, first a letter or
 * digit.
 * @throws InvalidCounterNameError
 */
export function checkCounterName(name: string): string {
  if (typeof name !== 'string' || !COUNTER_NAME.test(name)) throw new InvalidCounterNameError(name, COUNTER_NAME_RULE)
  return name
}

/**
 * Gives the prefix back when keys may start with it: 1 to 32 letters, digits, `_` or `-`, first a letter or digit. The
 * braces of the hash tag are added by `queueTag`, so they are not part of it.
 * @throws InvalidPrefixError
 */
export function checkPrefix(prefix: string): string {
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) throw new InvalidPrefixError(prefix, PREFIX_RULE)
  return prefix
}
