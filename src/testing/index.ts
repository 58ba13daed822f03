// The door of the test kit, `drover/testing`: a real Redis of one's own, for tests, development and first runs, and a proxy
// that does to its connections what networks do.
export {
  type EmbeddedRedis,
  type EmbeddedRedisExit,
  type EmbeddedRedisOptions,
  startEmbeddedRedis,
} from '../redis/index.js'
export type { CutFault, DropReplyFault, Fault, FaultOrMode, ThrottleFault } from './fault.js'
export type { FaultConnection } from './fault-connection.js'
export { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy.js'
