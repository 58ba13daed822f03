import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ClosedError, RedisAuthError, RedisUnavailableError, RedisUrlError } from '../../../src/job/index.js'
import { maskRedisError } from '../../../src/redis/index.js'

const CONTEXT = { operation: 'GET', timeoutMs: 500, address: 'redis://h:6379/0' }

// As ioredis makes them: the failed command hangs on the error, with the password among its arguments.
function reply(message: string): Error {
  const error = Object.assign(new Error(message), { command: { name: 'auth', args: ['default', 'hunter2'] } })
  error.name = 'ReplyError'
  return error
}

describe('a raw error of the Redis client', () => {
  it.each([
    'WRONGPASS invalid username-password pair or user is disabled.',
    'NOAUTH Authentication required.',
    'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option',
    'ERR invalid password',
    'ERR Client sent AUTH, but no password is set',
    'ERR AUTH <password> called without any password configured for the default user.',
  ])('%s becomes a RedisAuthError that names the server', (message) => {
    const masked = maskRedisError(reply(message), CONTEXT)
    expect(masked).toBeInstanceOf(RedisAuthError)
    expect(masked.message).toContain('redis://h:6379/0')
    expect(inspect(masked, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })

  it('about a database that is not there becomes a RedisUrlError', () => {
    expect(maskRedisError(reply('ERR DB index is out of range'), CONTEXT)).toBeInstanceOf(RedisUrlError)
  })

  it.each([
    Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379'), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('getaddrinfo ENOTFOUND h'), { code: 'ENOTFOUND' }),
    Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    new Error('Connection is closed.'),
    new Error('Command timed out'),
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    new Error("Cluster isn't ready and enableOfflineQueue options is false"),
    new Error('All sentinels are unreachable and retry is disabled. Last error: x'),
    reply('LOADING Redis is loading the dataset in memory'),
    reply('CLUSTERDOWN The cluster is down'),
    reply("READONLY You can't write against a read only replica."),
    new AggregateError([Object.assign(new Error('connect ECONNREFUSED ::1:6379'), { code: 'ECONNREFUSED' })]),
  ])('%s becomes a RedisUnavailableError with it as cause', (error) => {
    const masked = maskRedisError(error, CONTEXT)
    expect(masked).toBeInstanceOf(RedisUnavailableError)
    expect(masked).toMatchObject({ operation: 'GET', timeoutMs: 500 })
    expect((masked.cause as Error).message).not.toBe('')
  })

  it('of a cluster is judged by the last node that failed', () => {
    const lastNodeError = reply('WRONGPASS invalid username-password pair or user is disabled.')
    const error = Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError })
    expect(maskRedisError(error, CONTEXT)).toBeInstanceOf(RedisAuthError)
  })

  it('with any other reply keeps its name and message, and loses its command', () => {
    const raw = reply('WRONGTYPE Operation against a key holding the wrong kind of value')
    const masked = maskRedisError(raw, CONTEXT)
    expect(masked).toMatchObject({ name: 'ReplyError', message: raw.message })
    expect(inspect(masked, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })

  it('that quotes the arguments of an unknown command loses them', () => {
    const raw = reply("ERR unknown command 'AUTH', with args beginning with: 'default' 'hunter2' ")
    const masked = maskRedisError(raw, CONTEXT)
    expect(masked.message).toBe("ERR unknown command 'AUTH'")
    expect(inspect(masked, { depth: 9, showHidden: true })).not.toContain('hunter2')
  })
})

it('an error of Drover passes unchanged', () => {
  const error = new ClosedError('producer')
  expect(maskRedisError(error, CONTEXT)).toBe(error)
})

it('a thrown value that is no error becomes one', () => {
  expect(maskRedisError('odd', CONTEXT)).toMatchObject({ message: 'odd' })
})
