// What ioredis throws, in Drover's words. A raw error is never handed on: it carries the command it failed on, and that
// may be AUTH with the password, or a whole input.
import { isDroverError, RedisAuthError, RedisUnavailableError, RedisUrlError } from '../job/index.js'

export interface RedisErrorContext {
  /** What was being done, as in "Redis did not answer <operation>". */
  readonly operation: string
  readonly timeoutMs: number
  /** `describeRedis` of the server. */
  readonly address?: string
}

const REFUSED_SIGN_IN =
  /^(WRONGPASS|NOAUTH)|^ERR (invalid password|invalid username-password|.*without any password|Client sent AUTH)/i
const NO_SUCH_DATABASE = /^ERR (DB index is out of range|invalid DB index)/i
const NOT_SERVING = /^(LOADING|CLUSTERDOWN|MASTERDOWN|READONLY|TRYAGAIN|BUSY) /
const CLIENT_GAVE_UP =
  /^(Connection is closed|Command timed out|Stream isn't writeable|Cluster isn't ready|Cluster is ended|Socket timeout|Failed to refresh slots cache|None of startup nodes|All sentinels are unreachable|Reached the max retries|Too many Cluster redirections|No subscriber for the cluster|Command aborted)/

/**
 * The error to hand on instead of a raw one from ioredis:
 *
 * - RedisAuthError when Redis refused the user name or password
 * - RedisUrlError when the server has no such database
 * - RedisUnavailableError when Redis could not be reached, did not answer in time or is not serving
 * - an error of Drover's own unchanged
 * - else, for Redis's other replies, a copy with name, message and code only
 */
export function maskRedisError(error: unknown, context: RedisErrorContext): Error {
  if (isDroverError(error)) return error
  const refusal = refusedSettings(error, context.address)
  if (refusal !== undefined) return refusal
  const bare = bareRedisError(error)
  if (!isUnavailable(bare)) return bare
  return new RedisUnavailableError(context.operation, context.timeoutMs, { cause: bare })
}

/** The error when Redis says that user, password or database are wrong, so that a retry cannot help. */
export function refusedSettings(error: unknown, address = 'the server'): RedisAuthError | RedisUrlError | undefined {
  const { message } = innermost(error)
  if (REFUSED_SIGN_IN.test(message)) return new RedisAuthError(address, message.split(' ', 1)[0] ?? '')
  if (NO_SUCH_DATABASE.test(message)) {
    return new RedisUrlError('the server has no database of that number; its setting "databases" limits them')
  }
  return undefined
}

/** A copy with name, message, code and stack only: no command, no arguments. */
export function bareRedisError(error: unknown): Error {
  const source = innermost(error)
  // An old server quotes the arguments of a command it does not know.
  const bare = new Error(source.message.replace(/,? with args beginning with:.*$/s, ''))
  bare.name = source.name
  if (source.stack !== undefined) bare.stack = source.stack.replace(source.message, bare.message)
  const { code } = source as NodeJS.ErrnoException
  return code === undefined ? bare : Object.assign(bare, { code })
}

// A cluster client wraps the last node's error, which is the one that tells something; several addresses of one host
// name fail as an AggregateError, whose own message is empty.
function innermost(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  if ('lastNodeError' in error && error.lastNodeError instanceof Error) return innermost(error.lastNodeError)
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return innermost(error.errors[0])
  return error
}

// Errors of sockets, name look-up and TLS carry a code; Redis's replies carry none.
function isUnavailable(error: NodeJS.ErrnoException): boolean {
  return error.code !== undefined || NOT_SERVING.test(error.message) || CLIENT_GAVE_UP.test(error.message)
}
