// Owns the errors about Redis: reaching it, signing in, its version and persistence, what its keys hold, and the
// BullMQ version whose scripts run in it.
// No field of these holds a URL or a password, and no cause may: a client's error can carry the AUTH command.

import { cutText } from './describe-value.js'
import { DroverError, type DroverErrorOptions } from './drover-error.js'
import { formatDuration } from './duration.js'

export interface RedisUnavailableOptions extends DroverErrorOptions {
  readonly jobId?: string
}

/**
 * Redis did not answer in time. An enqueue may or may not have arrived: repeat it with the same `jobId`, which
 * enqueues it once.
 */
export class RedisUnavailableError extends DroverError {
  readonly operation: string
  readonly timeoutMs: number
  readonly jobId: string | undefined

  constructor(operation: string, timeoutMs: number, options?: RedisUnavailableOptions) {
    const repeat =
      options?.jobId === undefined
        ? 'check that Redis runs and can be reached, then repeat it'
        : `check that Redis runs, then repeat it with id ${JSON.stringify(options.jobId)}, which cannot enqueue twice`
    super(
      'REDIS_UNAVAILABLE',
      `Redis did not answer ${operation} within ${formatDuration(timeoutMs)}: ${repeat}`,
      options,
    )
    this.operation = operation
    this.timeoutMs = timeoutMs
    this.jobId = options?.jobId
  }
}

/** Redis refused the user name or password. `address` is host and port, `reply` the first words of its answer. */
export class RedisAuthError extends DroverError {
  readonly address: string
  readonly reply: string

  constructor(address: string, reply: string) {
    super(
      'REDIS_AUTH',
      `Redis at ${address} refused the sign-in (${reply}): check REDIS_USERNAME and REDIS_PASSWORD, or those in REDIS_URL`,
    )
    this.address = address
    this.reply = reply
  }
}

/** The Redis URL cannot be used. The message says what is wrong with it and never repeats it. */
export class RedisUrlError extends DroverError {
  readonly problem: string

  constructor(problem: string) {
    super('REDIS_URL_INVALID', `the Redis URL is not usable: ${problem}`)
    this.problem = problem
  }
}

export class RedisTooOldError extends DroverError {
  readonly found: string
  readonly minimum: string

  constructor(found: string, minimum: string) {
    super('REDIS_TOO_OLD', `Redis ${found} is too old: expected ${minimum} or later, upgrade the server`)
    this.found = found
    this.minimum = minimum
  }
}

/** This Redis could lose jobs that were accepted; `problem` names the setting and the value it needs. */
export class RedisNotDurableError extends DroverError {
  readonly problem: string

  constructor(problem: string) {
    super('REDIS_NOT_DURABLE', `this Redis can lose accepted jobs: ${problem}`)
    this.problem = problem
  }
}

/** A BullMQ script is not the one the commit was written for; nothing was sent to Redis. */
export class UnsupportedBullmqError extends DroverError {
  readonly script: string
  readonly expected: string
  readonly found: string

  constructor(script: string, expected: string, found: string) {
    super(
      'UNSUPPORTED_BULLMQ',
      `BullMQ's script ${script} is not the supported one: expected ${expected}, found ${found}; ` +
        "install the version of bullmq that this package's package.json pins",
    )
    this.script = script
    this.expected = expected
    this.found = found
  }
}

/** The counter's key holds something that is not an integer; it was left as it is. */
export class CounterNotIntegerError extends DroverError {
  readonly counter: string

  constructor(counter: string, options?: DroverErrorOptions) {
    super(
      'COUNTER_NOT_INTEGER',
      `counter ${JSON.stringify(counter)} does not hold an integer: another program wrote its key; delete or correct it`,
      options,
    )
    this.counter = counter
  }
}

/** The sum would not fit the signed 64 bits of a Redis integer; the counter was left as it is. */
export class CounterOverflowError extends DroverError {
  readonly counter: string

  constructor(counter: string, options?: DroverErrorOptions) {
    super(
      'COUNTER_OVERFLOW',
      `counter ${JSON.stringify(counter)} would pass what Redis can count (64 bits): add less, or delete it to start at 0`,
      options,
    )
    this.counter = counter
  }
}

export interface RedisFullOptions extends DroverErrorOptions {
  readonly usedPercent?: number
}

/**
 * Redis has reached its `maxmemory`, or is so near to it that a producer adds nothing more; nothing was written.
 * `usedPercent` is how full it was, where it was seen in time.
 */
export class RedisFullError extends DroverError {
  readonly operation: string
  readonly usedPercent: number | undefined

  constructor(operation: string, options?: RedisFullOptions) {
    const { usedPercent } = options ?? {}
    super(
      'REDIS_FULL',
      usedPercent === undefined
        ? `Redis is out of memory and refused ${operation}: raise its maxmemory, or free memory, then repeat it`
        : `Redis has used ${usedPercent} % of its maxmemory, and the rest is for jobs that are there to end: ` +
            `${operation} was not sent; start workers or raise maxmemory, then repeat it`,
      options,
    )
    this.operation = operation
    this.usedPercent = usedPercent
  }
}

/**
 * With durability `strict`: the job is in Redis, and no replica confirmed it in time. Repeat the enqueue with the same
 * `jobId`: it enqueues nothing twice, and waits for a replica again.
 */
export class NotReplicatedError extends DroverError {
  readonly operation: string
  readonly waitMs: number
  readonly jobId: string | undefined

  constructor(operation: string, waitMs: number, jobId?: string) {
    const id = jobId === undefined ? '' : ` with id ${JSON.stringify(jobId)}`
    super(
      'NOT_REPLICATED',
      `Redis did ${operation}, and no replica confirmed it within ${waitMs} ms: look at the replicas, then repeat it${id}`,
    )
    this.operation = operation
    this.waitMs = waitMs
    this.jobId = jobId
  }
}

/** The keys under this prefix are of another version of Drover, which this one would read and write wrongly. */
export class KeyVersionError extends DroverError {
  readonly found: string
  readonly expected: string

  constructor(found: string, expected: string) {
    super(
      'KEY_VERSION',
      `the keys in this Redis are of version ${found}, this Drover writes ${expected}: ` +
        'run one version of Drover everywhere, or give this one another prefix',
    )
    this.found = found
    this.expected = expected
  }
}

/** Redis answered with a refusal that waiting does not help: a right that is missing, a disk that is full. */
export class RedisRefusedError extends DroverError {
  readonly operation: string
  readonly reply: string

  constructor(operation: string, reply: string, options?: DroverErrorOptions) {
    const shown = cutText(reply, 200)
    super(
      'REDIS_REFUSED',
      `Redis refused ${operation}: ${shown}; correct the server's settings, then repeat it`,
      options,
    )
    this.operation = operation
    this.reply = shown
  }
}

/** No redis-server or valkey-server was found; `folders` is where it was looked for, `commands` says how to get one. */
export class RedisBinaryMissingError extends DroverError {
  readonly folders: readonly string[]
  readonly commands: Readonly<Record<string, string>>

  constructor(folders: readonly string[], commands: Readonly<Record<string, string>>) {
    const lines = Object.entries(commands).map(([system, command]) => `\n- ${system}: ${command}`)
    super(
      'REDIS_BINARY_MISSING',
      `expected redis-server or valkey-server on PATH or in ${folders.join(', ')}, found neither. Install one, ` +
        `or set REDIS_URL to a Redis that runs elsewhere:${lines.join('')}`,
    )
    this.folders = folders
    this.commands = commands
  }
}

/** The embedded server ended or stayed silent before it could be used; nothing of it is left running. */
export class RedisStartError extends DroverError {
  readonly dir: string
  readonly reason: string

  constructor(dir: string, reason: string, options?: DroverErrorOptions) {
    super('REDIS_START_FAILED', `the Redis server for ${dir} did not start: ${reason}`, options)
    this.dir = dir
    this.reason = reason
  }
}

/** Another live process keeps its embedded server's data in this folder; nothing in it was touched. */
export class RedisDirInUseError extends DroverError {
  readonly dir: string
  readonly pid: number

  constructor(dir: string, pid: number) {
    super(
      'REDIS_DIR_IN_USE',
      `${dir} is the data folder of a Redis server that process ${pid} runs: end that process, or choose another folder`,
    )
    this.dir = dir
    this.pid = pid
  }
}
