// The options of a relay, checked.
import type { Logger } from 'pino'
import { checkWhole, type Duration, InvalidOptionError, parseDuration, refuseUnknown } from '../../job/index.js'
import { checkPrefix, type DurabilityDemand, type RedisSettings, readDurability } from '../../redis/index.js'
import { type ProducerOptions, readSettings } from '../create-producer.js'
import { type OutboxTable, outboxTable } from './outbox-table.js'
import type { SqlPool } from './sql-client.js'

/** Where Redis is and what it must keep: as of `createProducer`. */
export interface OutboxRelayOptions extends Omit<ProducerOptions, 'timeout'> {
  /** A pool of pg, or one like it. The relay takes one connection at a time, and never closes the pool. */
  readonly pool: SqlPool
  /** As of `createOutbox`. */
  readonly table?: string | undefined
  /** How long to wait before looking again once the table was empty: 10 ms to 1 minute. Default `500ms`. */
  readonly interval?: Duration | undefined
  /** Most rows of one transaction, 1 to 5000. Default 500; rows of 2 MiB input together end a batch sooner. */
  readonly batchSize?: number | undefined
  /** A row that is refused so often is parked in the table, with its error, 1 to 1000. Default 10. */
  readonly maxTries?: number | undefined
  /** Longest time for one call to Redis, 10 ms to 30 s. Default `5s`. */
  readonly timeout?: Duration | undefined
  /** Pino logger. Default: nothing is logged. */
  readonly logger?: Logger | undefined
}

export interface RelayPlan {
  readonly pool: SqlPool
  readonly table: OutboxTable
  readonly intervalMs: number
  readonly batchSize: number
  readonly maxTries: number
  readonly timeoutMs: number
  readonly settings: RedisSettings
  readonly prefix: string
  readonly demand: DurabilityDemand
  readonly logger: Logger | undefined
}

const NAMES = [
  'pool',
  'table',
  'interval',
  'batchSize',
  'maxTries',
  'redis',
  'prefix',
  'timeout',
  'durability',
  'allowVolatile',
  'logger',
] as const

/** @throws UnknownOptionError, InvalidOptionError, InvalidPrefixError, RedisUrlError; ConfigError for the environment */
export function readRelayOptions(options: OutboxRelayOptions): RelayPlan {
  refuseUnknown(options, NAMES, 'createOutboxRelay')
  const { pool, interval = '500ms', batchSize = 500, maxTries = 10, timeout = '5s', logger } = options
  if (typeof pool?.connect !== 'function') throw new InvalidOptionError('pool', 'a pool of pg, or one like it', pool)
  if (logger !== undefined && typeof logger.warn !== 'function') {
    throw new InvalidOptionError('logger', 'a pino logger', logger)
  }
  checkWhole('batchSize', batchSize, 1, 5_000)
  checkWhole('maxTries', maxTries, 1, 1_000)
  return {
    pool,
    table: outboxTable(options.table),
    intervalMs: parseDuration(interval, { option: 'interval', minMs: 10, maxMs: 60_000 }),
    batchSize,
    maxTries,
    timeoutMs: parseDuration(timeout, { option: 'timeout', minMs: 10, maxMs: 30_000 }),
    settings: readSettings(options.redis),
    prefix: checkPrefix(options.prefix ?? 'drover'),
    demand: readDurability(options),
    logger,
  }
}
