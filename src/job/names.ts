// Owns which names of jobs, queues and releases are allowed. Of a job or a queue none may hold `|` (it divides fields of
// the stats hash), `:` (it divides keys) or `{}` (they mark the cluster slot). A queue may not be called like one of Drover's
// own keys: BullMQ puts `<queue>:<job id>` where Drover puts `result:<job id>`.

const JOB_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/
const QUEUE_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
const RELEASE_PATTERN = /^[\w.+-]{1,64}$/

const RESERVED_QUEUE_NAMES: readonly string[] = [
  'result',
  'counter',
  'counters',
  'totals',
  'stats',
  'done',
  'key',
  'once',
  'tag',
  'tags',
  'schedule',
  'schedules',
  'batch',
  'batches',
  'held',
  'cache',
  'caches',
  'error',
  'errors',
  'replay',
  'replays',
  'discard',
  'discards',
  'limit',
  'outbox',
  'outboxes',
  'inbox',
]

export const JOB_NAME_RULE = '1 to 128 characters of A-Z a-z 0-9 _ . -, the first a letter or digit'
export const QUEUE_NAME_RULE =
  '1 to 64 characters of A-Z a-z 0-9 _ . -, the first a letter or digit, ' +
  `and none of the names Drover uses itself (${RESERVED_QUEUE_NAMES.join(', ')})`

export const RELEASE_RULE = '1 to 64 letters, digits, _, ., + or -'

/** True for what follows a queue's tag in the names of Drover's own keys. */
export function isReservedName(name: string): boolean {
  return RESERVED_QUEUE_NAMES.includes(name)
}

export function isJobName(value: unknown): value is string {
  return typeof value === 'string' && JOB_NAME_PATTERN.test(value)
}

export function isRelease(value: unknown): value is string {
  return typeof value === 'string' && RELEASE_PATTERN.test(value)
}

export function isQueueName(value: unknown): value is string {
  return typeof value === 'string' && QUEUE_NAME_PATTERN.test(value) && !isReservedName(value)
}
