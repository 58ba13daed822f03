// The door of the test kit, `drover/testing`: a real Redis of one's own, for tests, development and first runs.
export {
  type EmbeddedRedis,
  type EmbeddedRedisExit,
  type EmbeddedRedisOptions,
  startEmbeddedRedis,
} from '../redis/index.js'
