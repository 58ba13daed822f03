// The options of createHttpApi: what each means, and the check of every one before anything is opened.
import type { Logger } from 'pino'
import {
  type AnyJobContract,
  checkWhole,
  type Duration,
  InvalidOptionError,
  parseDuration,
  refuseUnknown,
} from '../../job/index.js'
import type { Durability, RedisSettings } from '../../redis/index.js'
import type { EnqueueMiddleware } from '../enqueue-middleware.js'
import type { RateLimits } from './gates.js'

export interface HttpApiOptions {
  /** The jobs that can be enqueued, as `defineJob` returned them. */
  readonly contracts: readonly AnyJobContract[]
  /** Redis, as for `createProducer`. */
  readonly redis?: string | RedisSettings | undefined
  /** First part of every key, as given to producer and worker. Default `drover`. */
  readonly prefix?: string | undefined
  /** Longest time for one call to Redis, 1 ms to 10 minutes. Default `5s`; a request takes no longer while Redis is away. */
  readonly timeout?: Duration | undefined
  /** What Redis must keep, as for `createProducer`. */
  readonly durability?: Durability | undefined
  /** True: also enqueue in a Redis that can lose every job, as for `createProducer`. */
  readonly allowVolatile?: boolean | undefined
  /**
   * A token with all rights, 8 to 512 visible ASCII characters, such as the dashboard's. Default none: then only tokens
   * that `drover token create` made are taken.
   */
  readonly adminToken?: string | undefined
  /**
   * Requests that one token may make in a time, and an address without a valid token, in each process. Default 10,000 in
   * `10s`; `false`: as many as come.
   */
  readonly rateLimit?: { readonly requests: number; readonly per: Duration } | false | undefined
  /** Most bytes of one NDJSON request, 1 to 1 GiB. Default 100 MiB. It is read as a stream: memory does not grow with it. */
  readonly maxBulkBytes?: number | undefined
  /** Answers held back for results at once, 0 to 100,000. Default 1,000; beyond it, answers come without the result. */
  readonly maxWaits?: number | undefined
  /** Open event streams, 0 to 100,000. Default 100; each costs a socket, and each queue listened to a Redis connection. */
  readonly maxStreams?: number | undefined
  /** Functions around each enqueue, as for `createProducer`. */
  readonly middleware?: readonly EnqueueMiddleware[] | undefined
  /** Pino logger, for a line per request and what goes wrong. Default: nothing is logged. */
  readonly logger?: Logger | undefined
}

export interface CheckedHttpOptions {
  readonly adminToken: string | undefined
  readonly rateLimit: RateLimits | undefined
  readonly maxBulkBytes: number
  readonly maxWaits: number
  readonly maxStreams: number
  readonly logger: Logger | undefined
}

const OPTION_NAMES = [
  'contracts',
  'redis',
  'prefix',
  'timeout',
  'durability',
  'allowVolatile',
  'adminToken',
  'rateLimit',
  'maxBulkBytes',
  'maxWaits',
  'maxStreams',
  'middleware',
  'logger',
] as const satisfies readonly (keyof HttpApiOptions)[]

const TOKEN = /^[\x21-\x7e]{8,512}$/
const DEFAULT_RATE = { requests: 10_000, per: '10s' } as const
const MAX_REQUESTS = 1_000_000_000
const DEFAULT_BULK_BYTES = 104_857_600
const MAX_BULK_BYTES = 1_073_741_824
const MAX_HELD = 100_000
const HOUR_MS = 3_600_000

/** The options that are not the producer's. @throws UnknownOptionError, InvalidOptionError */
export function checkOptions(options: HttpApiOptions): CheckedHttpOptions {
  refuseUnknown(options, OPTION_NAMES, 'createHttpApi')
  const { rateLimit = DEFAULT_RATE, adminToken, logger } = options
  const { maxBulkBytes = DEFAULT_BULK_BYTES, maxWaits = 1_000, maxStreams = 100 } = options
  checkWhole('maxBulkBytes', maxBulkBytes, 1, MAX_BULK_BYTES)
  checkWhole('maxWaits', maxWaits, 0, MAX_HELD)
  checkWhole('maxStreams', maxStreams, 0, MAX_HELD)
  // An empty token is refused rather than taken for none: it is most often a variable that should have been set.
  if (adminToken !== undefined && !TOKEN.test(adminToken)) {
    const expected = '8 to 512 visible ASCII characters (shown is only their number)'
    throw new InvalidOptionError('adminToken', expected, String(adminToken).length)
  }
  if (logger !== undefined && typeof logger.info !== 'function') {
    throw new InvalidOptionError('logger', 'a pino logger', logger)
  }
  return {
    adminToken,
    rateLimit: rateLimit === false ? undefined : readRate(rateLimit),
    maxBulkBytes,
    maxWaits,
    maxStreams,
    logger,
  }
}

function readRate(rate: { readonly requests: number; readonly per: Duration }): RateLimits {
  refuseUnknown(rate, ['requests', 'per'], 'rateLimit')
  checkWhole('rateLimit.requests', rate.requests, 1, MAX_REQUESTS)
  const windowMs = parseDuration(rate.per, { option: 'rateLimit.per', minMs: 1, maxMs: HOUR_MS })
  return { limit: rate.requests, windowMs }
}
