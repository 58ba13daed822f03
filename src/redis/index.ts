// The door of src/redis: where Redis is, connections to it, and the names of the keys in it.
export {
  type ClientOptions,
  clientAddress,
  connectOnce,
  createProducerClient,
  createReaderClient,
  createSubscriberClient,
  createWorkerClient,
  type FailFastClientOptions,
  outliveFailover,
  type RedisClient,
} from './clients.js'
export {
  DURABILITIES,
  type Durability,
  type DurabilityDemand,
  type DurabilityReport,
  logDurability,
  readDurability,
  reportDurability,
  requireDurable,
} from './durability.js'
export type { EmbeddedRedisExit } from './embedded-process.js'
export { type EmbeddedRedis, type EmbeddedRedisOptions, startEmbeddedRedis } from './embedded-server.js'
export {
  BULL_RESERVED_IDS,
  checkCounterName,
  checkJobId,
  checkPrefix,
  checkQueueName,
  PREFIX_RULE,
} from './key-names.js'
export {
  auditKey,
  autoscaleKey,
  autoscaleWorkersKey,
  contractKey,
  counterKey,
  counterNamesKey,
  doneChannel,
  type KeysOfQueue,
  queueKeys,
  queuesKey,
  queueTag,
  releasesKey,
  resultKey,
  signedOutKey,
  statsHourKey,
  statsKey,
  tokensKey,
  totalsKey,
  workerKey,
  workerOrdersKey,
  workersKey,
} from './keys.js'
export { bareRedisError, maskRedisError, type RedisErrorContext } from './mask-error.js'
export { findRedisBinary, REDIS_BINARY_FOLDERS, REDIS_INSTALL_COMMANDS } from './redis-binary.js'
export { asScript, defineFunction, type FunctionSource } from './redis-function.js'
export { type KeyBatch, type NamedKey, scanKeys } from './scan-keys.js'
export { type DurabilityFinding, FULL_SHARE, judgeDurability } from './server-findings.js'
export {
  type MemoryShare,
  MINIMUM_REDIS_VERSION,
  readMemoryShare,
  readServerInfo,
  requireSupportedVersion,
  type ServerInfo,
} from './server-info.js'
export {
  type ClusterRedisSettings,
  DEFAULT_REDIS,
  describeRedis,
  parseRedisUrl,
  REDIS_URL_FORMS,
  type RedisAddress,
  type RedisSettings,
  type SentinelRedisSettings,
  type SingleRedisSettings,
} from './settings.js'
export { REDIS_ENVIRONMENT, readSecret, redisSettingsFromEnv } from './settings-env.js'
