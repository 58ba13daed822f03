import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { checkOptions, type DashboardOptions } from '../../../src/dashboard/options.js'
import { showAll } from '../../../src/dashboard/redact.js'
import {
  InvalidOptionError,
  InvalidPrefixError,
  RedisUrlError,
  TokenRequiredError,
  UnknownOptionError,
} from '../../../src/job/index.js'

const check = (options: object) => checkOptions(options as DashboardOptions)

describe('the options of a dashboard', () => {
  it('have the documented defaults', () => {
    expect(check({})).toEqual({
      redis: { kind: 'single', host: '127.0.0.1', port: 6379, db: 0 },
      prefix: 'drover',
      timeoutMs: 5_000,
      host: '127.0.0.1',
      port: 3768,
      basePath: '',
      token: undefined,
      trustProxy: 0,
      logger: undefined,
      readOnly: false,
      redact: showAll,
      authorize: undefined,
      readProxyUser: undefined,
      contracts: [],
      traceUrl: undefined,
    })
  })

  it('may be undefined, as variables that are not set are', () => {
    const names = ['redis', 'prefix', 'timeout', 'host', 'port', 'basePath', 'token', 'trustProxy', 'logger']
    names.push('readOnly', 'redact')
    expect(check(Object.fromEntries(names.map((name) => [name, undefined])))).toEqual(check({}))
  })

  it('are taken as given', () => {
    const logger = pino({ enabled: false })
    const given = {
      prefix: 'shop',
      host: '0.0.0.0',
      port: 0,
      token: 'correct-horse',
      trustProxy: 1,
      logger,
      readOnly: true,
    }
    const texts = { redis: 'redis://:secret@cache:6380/2', basePath: '/admin/jobs/', timeout: '1m' }
    expect(check({ ...given, ...texts })).toEqual({
      ...given,
      timeoutMs: 60_000,
      redis: { kind: 'single', host: 'cache', port: 6380, db: 2, password: 'secret' },
      basePath: '/admin/jobs',
      redact: showAll,
      authorize: undefined,
      readProxyUser: undefined,
      contracts: [],
      traceUrl: undefined,
    })
    expect(check({ basePath: '/' }).basePath).toBe('')
  })

  it('are refused when nobody knows them, with the nearest known name', () => {
    expect(() => check({ tokn: 'x' })).toThrow(UnknownOptionError)
    expect(() => check({ tokn: 'x' })).toThrow(/did you mean "token"/)
  })

  it.each([
    [{ redis: 5 }, InvalidOptionError],
    [{ redact: ['password'] }, InvalidOptionError],
    [{ redact: 'input.password' }, InvalidOptionError],
    [{ redis: { host: 'cache' } }, InvalidOptionError],
    [{ redis: 'http://cache' }, RedisUrlError],
    [{ prefix: '{x}' }, InvalidPrefixError],
    [{ timeout: 0 }, InvalidOptionError],
    [{ timeout: '11m' }, InvalidOptionError],
    [{ timeout: 'soon' }, InvalidOptionError],
    [{ host: '' }, InvalidOptionError],
    [{ host: 'a b' }, InvalidOptionError],
    [{ port: -1 }, InvalidOptionError],
    [{ port: 65_536 }, InvalidOptionError],
    [{ port: '3000' }, InvalidOptionError],
    [{ basePath: 'admin' }, InvalidOptionError],
    [{ basePath: '//evil.example' }, InvalidOptionError],
    [{ basePath: '/a?b' }, InvalidOptionError],
    [{ token: '' }, InvalidOptionError],
    [{ token: 'short' }, InvalidOptionError],
    [{ token: 'with a space' }, InvalidOptionError],
    [{ token: 12_345_678 }, InvalidOptionError],
    [{ trustProxy: true }, InvalidOptionError],
    [{ logger: 'info' }, InvalidOptionError],
    [{ readOnly: 'yes' }, InvalidOptionError],
  ])('are refused when wrong: %j', (options, error) => {
    expect(() => check(options)).toThrow(error)
  })

  it('never show a token that is refused', () => {
    expect(() => check({ token: 'hunter2' })).toThrow(/got 7$/)
  })

  it.each(['0.0.0.0', '::', '192.168.1.5', 'jobs.example.com'])('need a token for host %s', (host) => {
    expect(() => check({ host })).toThrow(TokenRequiredError)
    expect(check({ host, token: 'correct-horse' }).host).toBe(host)
  })

  it.each(['127.0.0.1', 'localhost', '::1'])('need none for host %s', (host) => {
    expect(check({ host }).token).toBeUndefined()
  })
})
