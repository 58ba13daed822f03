import { describe, expect, it } from 'vitest'
import { commonFields } from '../../../../src/ledger/errors/common-fields.js'
import { fingerprintOf, isGroupId } from '../../../../src/ledger/errors/fingerprint.js'
import { ownFrameOf } from '../../../../src/ledger/errors/own-frame.js'

const stackOf = (...frames: string[]) => ['Error: no', ...frames.map((frame) => `    at ${frame}`)].join('\n')
const frameOf = (...frames: string[]) => ownFrameOf({ message: 'no', stack: stackOf(...frames) })

describe('the own frame', () => {
  it.each([
    [['sendMail (/app/mail/send.ts:88:11)'], 'sendMail mail/send.ts'],
    [['sendMail (file:///app/mail/send.ts?t=17:88:11)'], 'sendMail mail/send.ts'],
    [['async Object.run (/srv/release-20261122a/mail/send.js:8:1)'], 'run mail/send.js'],
    [['/app/mail/send.ts:88:11'], 'mail/send.ts'],
    [['async /app/mail/send.ts:88:11'], 'mail/send.ts'],
    [['new Mailer (C:\\app\\mail\\send.js:1:1)'], 'Mailer mail/send.js'],
    [['handler (/app/dist/main-4f2a9c1b.js:1:99999)'], 'handler dist/main-*.js'],
    [
      [
        'connect (node:net:1:1)',
        'query (/app/node_modules/pg/lib/client.js:1:1)',
        'Array.map (<anonymous>)',
        'async Promise.all (index 0)',
        'load (/app/orders/load.ts:3:1)',
      ],
      'load orders/load.ts',
    ],
    [['x (/app/node_modules/.pnpm/a@1/node_modules/a/x.js:1:1)'], undefined],
    [[], undefined],
  ])('of %j is %j', (frames, expected) => expect(frameOf(...frames)).toBe(expected))

  it('is not one of Drover, wherever it is installed', () => {
    const here = new URL('../../../../src/worker/attempt.ts', import.meta.url).pathname
    expect(frameOf(`run (${here}:1:1)`, 'load (/app/a/b.ts:1:1)')).toBe('load a/b.ts')
  })

  it('is not taken from the message', () => {
    const message = 'no\n    at evil (/app/evil.js:1:1)'
    expect(ownFrameOf({ message, stack: `Error: ${message}\n    at good (/app/a/good.js:1:1)` })).toBe('good a/good.js')
  })

  it('of a stack of any kind does not throw', () => {
    for (const stack of ['', 'at', '    at (', `    at ${'('.repeat(9_000)}`, '\n'.repeat(9_000), '    at x (:::)']) {
      expect(() => ownFrameOf({ message: '', stack })).not.toThrow()
    }
  })
})

describe('a fingerprint', () => {
  const error = { name: 'TypeError', message: 'order 1 is bad', stack: stackOf('load (/app/a/b.ts:3:1)') }

  it('is the same over ids, lines and releases', () => {
    const later = { ...error, message: 'order 2 is bad', stack: stackOf('load (/srv/2026/a/b.ts:77:9)') }
    expect(fingerprintOf('mail', later)).toEqual(fingerprintOf('mail', error))
    expect(isGroupId(fingerprintOf('mail', error).id)).toBe(true)
  })

  it.each([
    ['job', 'sms', error],
    ['name', 'mail', { ...error, name: 'RangeError' }],
    ['message', 'mail', { ...error, message: 'order 1 is worse' }],
    ['frame', 'mail', { ...error, stack: stackOf('save (/app/a/b.ts:3:1)') }],
  ])('is another one for another %s', (_what, job, other) => {
    expect(fingerprintOf(job, other).id).not.toBe(fingerprintOf('mail', error).id)
  })
})

describe('what inputs have in common', () => {
  it('is each field that half of them have with the same value, the most common first', () => {
    const inputs = [1, 2, 3, 4].map((id) =>
      JSON.stringify({ id, shop: { country: 'AT' }, plan: id < 3 ? 'free' : `p${id}` }),
    )
    expect(commonFields([...inputs, 'no json'])).toEqual([
      { path: '$.shop.country', value: '"AT"', count: 4, of: 4 },
      { path: '$.plan', value: '"free"', count: 2, of: 4 },
    ])
  })

  it('is bounded for inputs that are wide, deep or long', () => {
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`f${at}`, 1])))
    expect(commonFields([wide, wide]).length).toBe(12)
    const deep = `${'['.repeat(500)}1${']'.repeat(500)}`
    expect(commonFields([deep, deep])).toEqual([])
    expect(commonFields([JSON.stringify('x'.repeat(500)), JSON.stringify('x'.repeat(500))])).toEqual([])
    expect(commonFields(['{"a":1}'])).toEqual([])
  })
})
