// The exit codes of the `drover` command, in one table, and which error ends it with which.
import { constants } from 'node:os'
import { InterruptedError, isDroverError } from '../job/index.js'

/** Every exit code with its meaning; `drover --help` shows this table, the help of a command its part of it. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done' },
  failed: {
    code: 1,
    meaning:
      'failed: the job failed, doctor found an error, verify found drift, check found what would break, the server is not healthy',
  },
  usage: { code: 2, meaning: 'a command, option, setting, file or input is wrong' },
  notFound: { code: 3, meaning: 'no such job, result or queue, or it has expired' },
  timeout: { code: 4, meaning: 'the job has not finished, or not in time; it goes on' },
  partial: { code: 5, meaning: 'some lines of a file were refused; the others were enqueued' },
  redisUnreachable: { code: 69, meaning: 'Redis cannot be reached' },
  crashLoop: { code: 70, meaning: 'every process of a worker ended again and again soon after its start' },
  redisAuth: { code: 77, meaning: 'Redis refused the sign-in' },
  redisNotDurable: { code: 78, meaning: 'Redis could lose accepted jobs (--allow-volatile says that it may)' },
  interrupted: { code: 130, meaning: 'interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)' },
} as const

export type ExitName = keyof typeof EXIT_CODES

/** What an error of this code ends a command with; `failed` for any other. */
export const EXIT_OF_ERROR: Readonly<Record<string, ExitName>> = {
  USAGE: 'usage',
  CONFIG_INVALID: 'usage',
  CONTRACT_INVALID: 'usage',
  JOB_FILE_INVALID: 'usage',
  INVALID_OPTION: 'usage',
  UNKNOWN_OPTION: 'usage',
  UNKNOWN_JOB: 'usage',
  INVALID_INPUT: 'usage',
  NOT_JSON: 'usage',
  TOO_LARGE: 'usage',
  EMPTY_BULK: 'usage',
  BULK_ITEM_INVALID: 'usage',
  IDEMPOTENCY_CONFLICT: 'usage',
  INVALID_JOB_ID: 'usage',
  INVALID_QUEUE_NAME: 'usage',
  INVALID_COUNTER_NAME: 'usage',
  INVALID_PREFIX: 'usage',
  REDIS_URL_INVALID: 'usage',
  TOKEN_REQUIRED: 'usage',
  PORT_IN_USE: 'usage',
  RESULT_NOT_FOUND: 'notFound',
  JOB_NOT_FOUND: 'notFound',
  QUEUE_NOT_FOUND: 'notFound',
  TOKEN_NOT_FOUND: 'notFound',
  ERROR_GROUP_NOT_FOUND: 'notFound',
  NO_FAILED_JOBS: 'notFound',
  REPLAY_NOT_FOUND: 'notFound',
  DISCARD_NOT_FOUND: 'notFound',
  SCHEDULE_NOT_FOUND: 'notFound',
  RESULT_WAIT_TIMEOUT: 'timeout',
  JOB_NOT_FINISHED: 'timeout',
  REDIS_UNAVAILABLE: 'redisUnreachable',
  REDIS_BINARY_MISSING: 'redisUnreachable',
  REDIS_START_FAILED: 'redisUnreachable',
  REDIS_AUTH: 'redisAuth',
  REDIS_NOT_DURABLE: 'redisNotDurable',
}

/** The exit code for an error that ends a command; 1 for one that is not in EXIT_OF_ERROR. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError) return exitCodeOfSignal(error.signal)
  const name = isDroverError(error) ? EXIT_OF_ERROR[error.code] : undefined
  return EXIT_CODES[name ?? 'failed'].code
}

/** The exit code of a process that a signal ended, as shells count it. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
