// Durations, names, keys and Redis URLs on random text: each accepts what its rule says and refuses the rest with its own
// error; two different names never share a key; a password is never shown.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  formatDuration,
  InvalidCounterNameError,
  InvalidJobIdError,
  InvalidOptionError,
  InvalidPrefixError,
  InvalidQueueNameError,
  parseDuration,
  RedisUrlError,
} from '../../src/job/index.js'
import {
  BULL_RESERVED_IDS,
  checkCounterName,
  checkJobId,
  checkPrefix,
  checkQueueName,
  describeRedis,
  parseRedisUrl,
  queueKeys,
} from '../../src/redis/index.js'
import { anyText, settings } from './runs.js'

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const YEAR_MS = 365 * UNITS.d
const unit = fc.constantFrom(...(Object.keys(UNITS) as (keyof typeof UNITS)[]))

it('a whole number with a unit is so many milliseconds, or is refused when that is more than the maximum', () => {
  const property = fc.property(fc.nat({ max: 10 ** 9 }), unit, (count, name) => {
    const ms = count * UNITS[name]
    if (ms <= YEAR_MS) expect(parseDuration(`${count}${name}`, 'delay')).toBe(ms)
    else expect(() => parseDuration(`${count}${name}`, 'delay')).toThrow(InvalidOptionError)
  })
  fc.assert(property, settings(1_000))
})

it('a fraction is that many milliseconds when they are whole, and never rounded when they are not', () => {
  const property = fc.property(fc.nat({ max: 9_999_999 }), fc.nat({ max: 6 }), unit, (digits, places, name) => {
    const text = `${(digits / 10 ** places).toFixed(places)}${name}`
    const isWhole = (BigInt(digits) * BigInt(UNITS[name])) % BigInt(10 ** places) === 0n
    const ms = Number((BigInt(digits) * BigInt(UNITS[name])) / BigInt(10 ** places))
    if (isWhole && ms <= YEAR_MS) expect(parseDuration(text, 'delay')).toBe(ms)
    else expect(() => parseDuration(text, 'delay')).toThrow(InvalidOptionError)
  })
  fc.assert(property, settings(1_000))
})

it('any value is a whole number of milliseconds in range, or InvalidOptionError', () => {
  const value = fc.oneof(
    anyText,
    fc.double(),
    fc.anything(),
    fc.tuple(anyText, unit).map(([text, name]) => text + name),
  )
  const property = fc.property(value, (given) => {
    try {
      const ms = parseDuration(given, { option: 'delay', minMs: 0, maxMs: YEAR_MS })
      expect(Number.isInteger(ms) && ms >= 0 && ms <= YEAR_MS).toBe(true)
      expect(formatDuration(ms)).toMatch(/^[\d.]+(ms|s|m|h|d)( \d+[smh])?$/)
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidOptionError)
    }
  })
  fc.assert(property, settings(1_000))
})

const idLike = fc.oneof(
  anyText,
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,130}$/),
  fc.constantFrom(...BULL_RESERVED_IDS),
  fc.integer().map(String),
)
const nameLike = fc.oneof(
  anyText,
  fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,66}$/),
  fc.constantFrom('result', 'stats'),
)

function accepts<Value>(
  check: (value: Value) => unknown,
  value: Value,
  refusal: abstract new (...of: never[]) => Error,
) {
  try {
    expect(check(value)).toBe(value)
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(refusal)
    return false
  }
}

it('an accepted id, queue, counter or prefix holds nothing that divides a key, a field, a slot or a line', () => {
  const property = fc.property(idLike, nameLike, (id, name) => {
    if (accepts(checkJobId, id, InvalidJobIdError)) {
      expect(id).toMatch(/^[A-Za-z0-9_.-]{1,128}$/)
      expect(BULL_RESERVED_IDS).not.toContain(id)
      expect(id).not.toMatch(/^-?\d+$/)
    }
    if (accepts(checkQueueName, name, InvalidQueueNameError)) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/)
    if (accepts(checkCounterName, name, InvalidCounterNameError)) expect(name).not.toMatch(/[^A-Za-z0-9_.:-]/)
    if (accepts(checkPrefix, name, InvalidPrefixError)) expect(name).not.toMatch(/[^A-Za-z0-9_-]/)
  })
  fc.assert(property, settings(1_000))
})

const queueName = fc.stringMatching(/^[a-z.-]{1,4}$/).filter((name) => isAccepted(checkQueueName, name))
const prefixName = fc.stringMatching(/^[a-z-]{1,3}$/).filter((name) => isAccepted(checkPrefix, name))
const jobId = fc
  .oneof(
    fc.stringMatching(/^[a-z.-]{1,4}$/),
    fc.constantFrom('h', 'result', 'counter', 'totals', 'stats', 'done', 'counters'),
  )
  .filter((id) => isAccepted(checkJobId, id))
const counterName = fc.stringMatching(/^[a-z.:-]{1,4}$/).filter((name) => isAccepted(checkCounterName, name))

function isAccepted(check: (text: string) => string, text: string): boolean {
  try {
    return check(text) === text
  } catch {
    return false
  }
}

it('two different things never have the same key', () => {
  const place = fc.tuple(prefixName, queueName)
  const thing = fc.oneof(
    fc.record({ place, kind: fc.constant('result'), name: jobId }),
    fc.record({ place, kind: fc.constant('done'), name: jobId }),
    fc.record({ place, kind: fc.constant('bull'), name: fc.oneof(jobId, fc.constantFrom(...BULL_RESERVED_IDS)) }),
    fc.record({ place, kind: fc.constant('counter'), name: counterName }),
    fc.record({ place, kind: fc.constantFrom('stats', 'statsHour'), name: fc.nat({ max: 30 }).map(String) }),
    fc.record({ place, kind: fc.constantFrom('totals', 'counterNames'), name: fc.constant('') }),
  )
  const keyOf = ({ place: [prefix, queue], kind, name }: { place: [string, string]; kind: string; name: string }) => {
    const keys = queueKeys(prefix, queue)
    if (kind === 'bull') return keys.bullBase + name
    if (kind === 'stats' || kind === 'statsHour') return keys[kind](Number(name))
    if (kind === 'totals' || kind === 'counterNames') return keys[kind]
    return keys[kind as 'result' | 'done' | 'counter'](name)
  }
  const property = fc.property(thing, thing, (one, other) => {
    const isSame = JSON.stringify(one) === JSON.stringify(other)
    expect(keyOf(one) === keyOf(other)).toBe(isSame)
    // One queue, one slot.
    expect(/^\{([^}]*)\}/.exec(keyOf(one))?.[1]).toBe(one.place.join(':'))
  })
  fc.assert(property, settings(2_000))
})

const SECRET = 'c4nary-pw'
const secret = fc.string({ unit: 'binary-ascii', maxLength: 8 }).map((text) => `${SECRET}${text}`)
const host = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9.-]{0,12}$/),
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address}]`),
)
const port = fc.integer({ min: 1, max: 65_535 })

it('user, password, host, port and database come back from a Redis URL, and its description shows no password', () => {
  const scheme = fc.constantFrom('redis', 'rediss')
  const username = fc.string({ unit: 'binary-ascii', maxLength: 6 })
  const property = fc.property(
    scheme,
    username,
    secret,
    host,
    port,
    fc.nat({ max: 999 }),
    (name, user, pw, at, on, db) => {
      const url = `${name}://${encodeURIComponent(user)}:${encodeURIComponent(pw)}@${at}:${on}/${db}`
      const settings = parseRedisUrl(url)
      expect(settings).toMatchObject({ kind: 'single', host: at.replace(/^\[|\]$/g, ''), port: on, db, password: pw })
      expect(settings.username).toBe(user === '' ? undefined : user)
      expect(settings.tls !== undefined).toBe(name === 'rediss')
      expect(describeRedis(settings)).not.toContain(SECRET)
    },
  )
  fc.assert(property, settings(1_000))
})

it('any URL is settings or a RedisUrlError that shows no part of the password', () => {
  const scheme = fc.constantFrom(
    'redis://',
    'rediss://',
    'redis+unix://',
    'redis+sentinel://',
    'redis+cluster://',
    '',
    'http://',
  )
  const property = fc.property(scheme, anyText, secret, anyText, (start, user, pw, rest) => {
    try {
      const parsed = parseRedisUrl(`${start}${user}:${pw}@${rest}`)
      expect(['single', 'sentinel', 'cluster']).toContain(parsed.kind)
    } catch (error) {
      expect(error).toBeInstanceOf(RedisUrlError)
      expect((error as Error).message).not.toContain(SECRET)
    }
  })
  fc.assert(property, settings(1_000))
})
