import { describe, expect, it } from 'vitest'
import { RedisUrlError } from '../../../src/job/index.js'
import { describeRedis, parseRedisUrl } from '../../../src/redis/index.js'

const SECRET = 'hunter2'

describe('a Redis URL', () => {
  it.each([
    ['redis://h', { kind: 'single', host: 'h', port: 6379, db: 0 }],
    ['redis://h:7000/', { kind: 'single', host: 'h', port: 7000, db: 0 }],
    ['REDIS://h:7000/15', { kind: 'single', host: 'h', port: 7000, db: 15 }],
    ['redis://:p%40ss%2F@h', { kind: 'single', host: 'h', port: 6379, db: 0, password: 'p@ss/' }],
    ['redis://a%20b:c:d@h', { kind: 'single', host: 'h', port: 6379, db: 0, username: 'a b', password: 'c:d' }],
    ['redis://:a@b#c@h', { kind: 'single', host: 'h', port: 6379, db: 0, password: 'a@b#c' }],
    ['redis://[::1]:7000/1', { kind: 'single', host: '::1', port: 7000, db: 1 }],
    ['rediss://h/2', { kind: 'single', host: 'h', port: 6379, db: 2, tls: {} }],
    [
      'redis+unix:///run/a%20b.sock?db=3',
      { kind: 'single', path: '/run/a b.sock', host: '127.0.0.1', port: 6379, db: 3 },
    ],
    [
      'redis+unix://:pw@/run/r.sock',
      { kind: 'single', path: '/run/r.sock', host: '127.0.0.1', port: 6379, db: 0, password: 'pw' },
    ],
    [
      'redis+sentinel://u:pw@h1,h2:7001/main/4?sentinelUsername=s&sentinelPassword=x%26y',
      {
        kind: 'sentinel',
        sentinels: [
          { host: 'h1', port: 26379 },
          { host: 'h2', port: 7001 },
        ],
        masterName: 'main',
        db: 4,
        username: 'u',
        password: 'pw',
        sentinelUsername: 's',
        sentinelPassword: 'x&y',
      },
    ],
    [
      'rediss+sentinel://h1/main',
      { kind: 'sentinel', sentinels: [{ host: 'h1', port: 26379 }], masterName: 'main', db: 0, tls: {} },
    ],
    [
      'redis+cluster://:pw@h1,[::2]:7001',
      {
        kind: 'cluster',
        nodes: [
          { host: 'h1', port: 6379 },
          { host: '::2', port: 7001 },
        ],
        password: 'pw',
      },
    ],
    ['rediss+cluster://h1/0', { kind: 'cluster', nodes: [{ host: 'h1', port: 6379 }], tls: {} }],
  ])('%s is read part by part', (url, settings) => {
    expect(parseRedisUrl(url)).toEqual(settings)
  })

  it.each([
    ['', /must start with redis:/],
    [SECRET, /must start with redis:/],
    [`http://:${SECRET}@h`, /must start with redis:/],
    [`redis://:${SECRET}@`, /host/],
    [`redis://:${SECRET}@h:`, /port/],
    [`redis://:${SECRET}@h:0`, /port/],
    [`redis://:${SECRET}@h:65536`, /port/],
    [`redis://:${SECRET}@h:12x`, /port/],
    [`redis://:${SECRET}@h/x`, /database/],
    [`redis://:${SECRET}@h/-1`, /database/],
    [`redis://:${SECRET}@h/1/2`, /database/],
    [`redis://:${SECRET}@h1,h2`, /one host/],
    [`redis://:a/${SECRET}@h`, /percent-encoded/],
    [`redis://:${SECRET}%@h`, /%25/],
    [`redis://${SECRET}@h`, /user name needs a password/],
    [`redis://h?password=${SECRET}`, /unknown parameter/],
    [`redis+unix://h/run/r.sock?db=${SECRET}`, /absolute path/],
    [`redis+unix:///run/r.sock?db=${SECRET}`, /database/],
    [`redis+sentinel://:${SECRET}@h`, /master name/],
    [`redis+sentinel://:${SECRET}@h/main/0/x`, /master name/],
    [`redis+sentinel://h/main?sentinelPasword=${SECRET}`, /unknown parameter/],
    [`redis+cluster://:${SECRET}@h/1`, /database 0 only/],
  ])('%s is refused without repeating it', (url, problem) => {
    const error = failureOf(() => parseRedisUrl(url))
    expect(error).toBeInstanceOf(RedisUrlError)
    expect(error.message).toMatch(problem)
    expect(JSON.stringify(error) + error.message + error.stack).not.toContain(SECRET)
  })
})

describe('the description of settings', () => {
  it.each([
    ['redis://u:hunter2@h:7000/2', 'redis://h:7000/2'],
    ['rediss://:hunter2@[::1]', 'rediss://[::1]:6379/0'],
    ['redis+unix://:hunter2@/run/r.sock?db=1', 'redis+unix:///run/r.sock?db=1'],
    ['redis+sentinel://:hunter2@a,b:1/main?sentinelPassword=hunter2', 'redis+sentinel://a:26379,b:1/main/0'],
    ['rediss+cluster://u:hunter2@a,b:1', 'rediss+cluster://a:6379,b:1'],
  ])('of %s is %s, with no user or password', (url, description) => {
    expect(describeRedis(parseRedisUrl(url))).toBe(description)
    expect(describeRedis(parseRedisUrl(description))).toBe(description)
  })
})

function failureOf(run: () => unknown): Error {
  try {
    run()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('expected an error')
}
