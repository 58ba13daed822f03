// Owns the errors for what a caller gave: contracts, options, names, input, results, settings, files.
// Errors of a running attempt are in attempt-errors.ts, those about Redis in redis-errors.ts.

import { cutText, describeValue } from './describe-value.js'
import { DroverError, type DroverErrorOptions } from './drover-error.js'
import { QUEUE_NAME_RULE } from './names.js'

const MAX_ISSUES = 20
const MAX_ISSUE_TEXT_LENGTH = 200

/** One thing a schema found wrong: where (`$.items[3].price`) and what. */
export interface Issue {
  readonly path: string
  readonly message: string
}

/** `defineJob` was given bad options; `problems` lists every one of them. */
export class ContractError extends DroverError {
  readonly problems: readonly string[]
  readonly job: string | undefined

  constructor(problems: readonly string[], job?: string) {
    const subject = job === undefined ? 'defineJob' : `defineJob for job ${describeValue(job)}`
    super('CONTRACT_INVALID', `${subject}:${list(problems)}`)
    this.problems = [...problems]
    this.job = job
  }
}

/** An option's value is out of its range or of the wrong kind. `got` describes the value, credentials hidden. */
export class InvalidOptionError extends DroverError {
  readonly option: string
  readonly expected: string
  readonly got: string

  constructor(option: string, expected: string, got: unknown, options?: DroverErrorOptions) {
    const described = describeValue(got)
    super('INVALID_OPTION', `option ${option}: expected ${expected}, got ${described}`, options)
    this.option = option
    this.expected = expected
    this.got = described
  }
}

/** An option that does not exist; `suggestion` is the nearest one that does. `where` says whose options they are. */
export class UnknownOptionError extends DroverError {
  readonly option: string
  readonly suggestion: string | undefined
  readonly where: string | undefined

  constructor(option: string, suggestion?: string, where?: string) {
    const name = cutText(option, MAX_ISSUE_TEXT_LENGTH)
    const place = where === undefined ? '' : ` of ${where}`
    super('UNKNOWN_OPTION', `unknown option ${JSON.stringify(name)}${place}: ${meant(suggestion)}`)
    this.option = name
    this.suggestion = suggestion
    this.where = where
  }
}

/** No contract of this name is known here. */
export class UnknownJobError extends DroverError {
  readonly job: string
  readonly suggestion: string | undefined

  constructor(job: string, suggestion?: string) {
    const name = cutText(job, MAX_ISSUE_TEXT_LENGTH)
    super('UNKNOWN_JOB', `unknown job ${JSON.stringify(name)}: ${meant(suggestion)}`)
    this.job = name
    this.suggestion = suggestion
  }
}

// What input and result checks share: the first 20 issues, never the value that was checked.
class SchemaError extends DroverError {
  readonly job: string
  readonly issues: readonly Issue[]
  readonly issueCount: number

  constructor(code: string, what: string, job: string, issues: readonly Issue[], options?: SchemaErrorOptions) {
    const kept = issues.slice(0, MAX_ISSUES).map(({ path, message }) => ({
      path: cutText(path, MAX_ISSUE_TEXT_LENGTH),
      message: cutText(message, MAX_ISSUE_TEXT_LENGTH),
    }))
    const count = Math.max(options?.issueCount ?? 0, issues.length)
    const lines = kept.map(({ path, message }) => `${path}: ${message}`)
    if (count > kept.length) lines.push(`and ${count - kept.length} more`)
    super(code, `the ${what} of job ${JSON.stringify(job)} does not match its schema:${list(lines)}`, options)
    this.job = job
    this.issues = kept
    this.issueCount = count
  }
}

export interface SchemaErrorOptions extends DroverErrorOptions {
  /** How many issues there were, when `issues` holds only the first of them. */
  readonly issueCount?: number
}

/** The input fails the job's schema. At enqueue: nothing was sent. Before a handler: the job fails without a retry. */
export class InvalidInputError extends SchemaError {
  constructor(job: string, issues: readonly Issue[], options?: SchemaErrorOptions) {
    super('INVALID_INPUT', 'input', job, issues, options)
  }
}

/** What the handler returned fails the job's output schema; nothing of the attempt was committed. */
export class InvalidResultError extends SchemaError {
  constructor(job: string, issues: readonly Issue[], options?: SchemaErrorOptions) {
    super('INVALID_RESULT', 'result', job, issues, options)
  }
}

export interface NotJsonErrorOptions extends DroverErrorOptions {
  readonly of?: 'input' | 'result'
}

/** A value that JSON cannot hold unchanged; `path` says where (`$.items[3].price`), `what` says what is there. */
export class NotJsonError extends DroverError {
  readonly path: string
  readonly what: string
  readonly of: 'input' | 'result' | undefined

  constructor(path: string, what: string, options?: NotJsonErrorOptions) {
    const subject = options?.of === undefined ? 'the value' : `the ${options.of}`
    const allowed = 'use strings, finite numbers, booleans, null, arrays and plain objects'
    super('NOT_JSON', `${subject} is not JSON: ${path} is ${what}; ${allowed}`, options)
    this.path = path
    this.what = what
    this.of = options?.of
  }
}

/** The JSON is over its limit. `bytes` is a lower bound: counting ends soon after the limit. */
export class TooLargeError extends DroverError {
  readonly what: 'input' | 'result'
  readonly bytes: number
  readonly maxBytes: number

  constructor(what: 'input' | 'result', bytes: number, maxBytes: number) {
    const option = what === 'input' ? 'maxInputBytes' : 'maxResultBytes'
    super(
      'TOO_LARGE',
      `the ${what} takes at least ${bytes} bytes as JSON, the limit is ${maxBytes}: ` +
        `store it elsewhere and pass a reference, or raise ${option} in defineJob`,
    )
    this.what = what
    this.bytes = bytes
    this.maxBytes = maxBytes
  }
}

// What the four name errors share: the rule, and the name as far as it can be shown.
class NameError extends DroverError {
  readonly expected: string
  readonly got: string

  constructor(code: string, what: string, got: unknown, expected: string) {
    const described = describeValue(got)
    super(code, `invalid ${what}: expected ${expected}, got ${described}`)
    this.expected = expected
    this.got = described
  }
}

export class InvalidJobIdError extends NameError {
  constructor(got: unknown, expected = '1 to 128 characters of A-Z a-z 0-9 _ . -') {
    super('INVALID_JOB_ID', 'job id', got, expected)
  }
}

export class InvalidQueueNameError extends NameError {
  constructor(got: unknown, expected: string = QUEUE_NAME_RULE) {
    super('INVALID_QUEUE_NAME', 'queue name', got, expected)
  }
}

export class InvalidCounterNameError extends NameError {
  constructor(got: unknown, expected = '1 to 128 characters of A-Z a-z 0-9 _ . -') {
    super('INVALID_COUNTER_NAME', 'counter name', got, expected)
  }
}

export class InvalidPrefixError extends NameError {
  constructor(got: unknown, expected = '1 to 64 characters of A-Z a-z 0-9 _ . -') {
    super('INVALID_PREFIX', 'key prefix', got, expected)
  }
}

/** `enqueueBulk` was given nothing to enqueue. */
export class EmptyBulkError extends DroverError {
  constructor() {
    super('EMPTY_BULK', 'enqueueBulk got no input: expected at least one, so check what produces the inputs')
  }
}

/** One input of a bulk was refused; `cause` says why. The first `enqueued` inputs are in Redis, none after them. */
export class BulkItemError extends DroverError {
  readonly index: number
  readonly enqueued: number

  constructor(index: number, enqueued: number, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : describeValue(cause)
    super(
      'BULK_ITEM_INVALID',
      `input ${index} of the bulk (counted from 0) was refused, the first ${enqueued} inputs were enqueued: ${reason}`,
      { cause },
    )
    this.index = index
    this.enqueued = enqueued
  }
}

/** No handler is registered for a job that arrived on a queue of this worker. */
export class NoHandlerError extends DroverError {
  readonly job: string
  readonly queue: string

  constructor(job: string, queue: string) {
    super(
      'NO_HANDLER',
      `no handler for job ${JSON.stringify(job)} of queue ${JSON.stringify(queue)}: ` +
        'deploy a worker that has one, or remove the job',
    )
    this.job = job
    this.queue = queue
  }
}

/** Settings are wrong; `problems` lists every one. Redis was not touched. */
export class ConfigError extends DroverError {
  readonly problems: readonly string[]

  constructor(problems: readonly string[], options?: DroverErrorOptions) {
    super('CONFIG_INVALID', `the settings are not usable:${list(problems)}`, options)
    this.problems = [...problems]
  }
}

/** A job file could not be loaded, or exports no handler; `cause` is what the import threw. */
export class JobFileError extends DroverError {
  readonly file: string

  constructor(file: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super('JOB_FILE_INVALID', `job file ${file} does not load: ${reason}`, { cause })
    this.file = file
  }
}

export class PortInUseError extends DroverError {
  readonly port: number

  constructor(port: number, options?: DroverErrorOptions) {
    super('PORT_IN_USE', `port ${port} is in use: end the process that holds it, or choose another port`, options)
    this.port = port
  }
}

/** The dashboard would be reachable from other machines without a sign-in, so it does not start. */
export class TokenRequiredError extends DroverError {
  readonly host: string

  constructor(host: string) {
    super(
      'TOKEN_REQUIRED',
      `the dashboard listens on ${JSON.stringify(host)}, which other machines can reach, and has no token: ` +
        'set a token, or listen on 127.0.0.1',
    )
    this.host = host
  }
}

/** The object was closed before this call. `what` names it: `producer`, `worker`. */
export class ClosedError extends DroverError {
  readonly what: string

  constructor(what: string) {
    super('CLOSED', `the ${what} is closed: create a new one, or close it later`)
    this.what = what
  }
}

function list(lines: readonly string[]): string {
  return lines.length === 1 ? ` ${lines[0]}` : lines.map((line) => `\n- ${line}`).join('')
}

function meant(suggestion: string | undefined): string {
  return suggestion === undefined ? 'nothing known has a similar name' : `did you mean ${JSON.stringify(suggestion)}?`
}
