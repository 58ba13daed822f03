import { describe, expect, it } from 'vitest'
import { maskMessage } from '../../../../src/ledger/errors/mask-message.js'

// Real messages of Node, V8, Postgres, HTTP clients and applications, with what a group of them is called.
it.each([
  ['order 42 of ann@example.com not found', 'order <number> of <email> not found'],
  ['connect ECONNREFUSED 127.0.0.1:5432', 'connect ECONNREFUSED <ip>'],
  ['connect ECONNREFUSED fe80::1', 'connect ECONNREFUSED <ip>'],
  ['getaddrinfo ENOTFOUND api.stripe.com', 'getaddrinfo ENOTFOUND api.stripe.com'],
  ["Cannot read properties of undefined (reading 'foo')", 'Cannot read properties of undefined (reading <text>)'],
  ["can't find the user's order", "can't find the user's order"],
  ['timeout of 3000ms exceeded', 'timeout of <number>ms exceeded'],
  [
    'duplicate key value violates unique constraint "users_email_key"',
    'duplicate key value violates unique constraint <text>',
  ],
  ['Request failed with status code 503', 'Request failed with status code <number>'],
  ['GET https://ann:pw@shop.example/a?b=1 failed', 'GET <url> failed'],
  ["ENOENT: no such file or directory, open '/tmp/a/b-12.txt'", 'ENOENT: no such file or directory, open <text>'],
  ['ENOENT: no such file /var/lib/x/99.json', 'ENOENT: no such file <path>'],
  ['C:\\Users\\ann\\x.txt is missing', '<path> is missing'],
  ['user 550e8400-e29b-41d4-a716-446655440000 is gone', 'user <uuid> is gone'],
  ['object 507f1f77bcf86cd799439011 is gone', 'object <hex> is gone'],
  ['heap at 0x7fff12', 'heap at <hex>'],
  ['at 2026-11-22T10:11:12.123Z and 12:30:01', 'at <time> and <time>'],
  ['user_17 has no order-9f-2', '<id> has no <id>'],
  ['Invoice INV-2026-001 is locked', 'Invoice <id> is locked'],
  ['password=hunter2 was refused', 'password=<secret> was refused'],
  ['Authorization: Bearer abc.def.ghi', 'Authorization: <secret>'],
  ['token sk_live_abc123def was refused', 'token <id> was refused'],
  ['the token has expired', 'the token has expired'],
  ['and/or either/or', 'and/or either/or'],
  ['Price must be 10.5 or -3e4', 'Price must be <number> or <number>'],
  ['first line\nsecond\u202e line \u001b[31mred\u001b[0m', 'first line second line red'],
  ['<b>bold</b> & "quoted', '<b>bold</b> & <text>'],
  ['мое 12 сообщение «текст»', 'мое <number> сообщение <text>'],
  ['', ''],
])('%j reads as %j', (message, masked) => expect(maskMessage(message)).toBe(masked))

it('is the same for failures that differ in what names one case', () => {
  const messages = [7, 81, 1_000_000].map(
    (id) => `order ${id} of "customer ${id}" at https://x.y/${id} failed in ${id}ms`,
  )
  expect(new Set(messages.map(maskMessage)).size).toBe(1)
})

describe('a hostile message', () => {
  const random = (seed: number) => () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed / 2 ** 31
  }
  const PARTS = [
    '"',
    "'",
    '`',
    '\\',
    '/',
    '::',
    '@',
    'a.',
    '-',
    '_',
    '9',
    'x',
    '“',
    ' ',
    'password=',
    'bearer ',
    '\u0000',
    '\ud800',
    '<',
    '0x',
    '://',
    '\n',
  ]

  it('neither throws, nor passes 240 characters, nor brings a second line, nor a control character', () => {
    const next = random(7)
    for (let round = 0; round < 3_000; round++) {
      const length = Math.floor(next() * 60)
      const text = Array.from({ length }, () => PARTS[Math.floor(next() * PARTS.length)]).join('')
      const masked = maskMessage(text)
      expect(masked.length).toBeLessThanOrEqual(240)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the question
      expect(masked).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/)
    }
  })

  it('of a megabyte costs as much as its beginning', () => {
    for (const part of [...PARTS, 'a@', '1,', '\\"', 'a-1', "a'"]) {
      const long = part.repeat(1_000_000)
      expect(maskMessage(long)).toBe(maskMessage(long.slice(0, 1_024)))
      expect(maskMessage(`"${long}`).length).toBeLessThanOrEqual(240)
    }
  })

  it('that carries a secret does not bring it into the name of its group', () => {
    const secret = 'c4nary-03-zq'
    for (const text of [
      secret,
      `"${secret}"`,
      `password: ${secret}`,
      `https://u:${secret}@h/`,
      `/home/${secret}/x`,
      `a ${secret}.`,
    ]) {
      expect(maskMessage(`it failed with ${text}`)).not.toContain(secret)
    }
  })
})
