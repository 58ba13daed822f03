// Each staged command against every type and value it cannot work on: the whole commit is refused.
import type { Job } from 'bullmq'
import { beforeEach, describe, expect, it } from 'vitest'
import { EffectRejectedError } from '../../src/job/index.js'
import type { Effects } from '../../src/ledger/index.js'
import { differences, dumpDb } from '../support/dump-db.js'
import { useKernel } from '../support/kernel.js'

const { kernel, stage } = await useKernel()
/** An active job: a refused commit leaves it as it is, so that one job serves many of them. */
let job: Job
beforeEach(async () => {
  job = await kernel.start()
})

const MAKE: Record<string, (key: string) => string[]> = {
  string: (key) => ['SET', key, 'abc'],
  list: (key) => ['RPUSH', key, 'a'],
  set: (key) => ['SADD', key, 'a'],
  zset: (key) => ['ZADD', key, '1', 'a'],
  hash: (key) => ['HSET', key, 'f', 'abc'],
  stream: (key) => ['XADD', key, '*', 'f', 'v'],
}

const NEEDS: Record<string, Record<string, (effects: Effects) => void>> = {
  string: {
    APPEND: (effects) => effects.append('k', 'x'),
    INCRBY: (effects) => effects.incrby('k', 1),
    INCRBYFLOAT: (effects) => effects.incrbyfloat('k', 1),
  },
  list: {
    LPUSH: (effects) => effects.lpush('k', 'x'),
    RPUSH: (effects) => effects.rpush('k', 'x'),
    LTRIM: (effects) => effects.ltrim('k', 0, 1),
    LREM: (effects) => effects.lrem('k', 0, 'x'),
  },
  set: {
    SADD: (effects) => effects.sadd('k', 'x'),
    SREM: (effects) => effects.srem('k', 'x'),
  },
  zset: {
    ZADD: (effects) => effects.zadd('k', 1, 'x'),
    ZINCRBY: (effects) => effects.zincrby('k', 1, 'x'),
    ZREM: (effects) => effects.zrem('k', 'x'),
    ZREMRANGEBYRANK: (effects) => effects.zremrangebyrank('k', 0, 1),
    ZREMRANGEBYSCORE: (effects) => effects.zremrangebyscore('k', 0, 1),
  },
  hash: {
    HSET: (effects) => effects.hset('k', 'f', 'x'),
    HSETNX: (effects) => effects.hsetnx('k', 'f', 'x'),
    HDEL: (effects) => effects.hdel('k', 'f'),
    HINCRBY: (effects) => effects.hincrby('k', 'f', 1),
    HINCRBYFLOAT: (effects) => effects.hincrbyfloat('k', 'f', 1),
  },
}

/** Commits a good write and then these: refused with the named command and key, and nothing of it is written. */
async function expectRefusal(use: (effects: Effects) => void, expected: { command: string; reason: RegExp }) {
  const before = await dumpDb(kernel.client)
  const effects = stage((effects) => {
    effects.rpush('first', 'good')
    use(effects)
  })
  const refusal: unknown = await kernel
    .complete(job, { effects, counters: new Map([['n', 1]]) })
    .catch((error) => error)
  expect(refusal).toBeInstanceOf(EffectRejectedError)
  expect(refusal).toMatchObject({
    code: 'EFFECT_REJECTED',
    command: expected.command,
    key: 'k',
    reason: expect.stringMatching(expected.reason),
  })
  expect(differences(before, await dumpDb(kernel.client))).toEqual({})
}

describe('a commit is refused whole', () => {
  for (const [needed, commands] of Object.entries(NEEDS)) {
    it.each(Object.entries(commands))(`for a %s on any key that holds no ${needed}`, async (command, use) => {
      for (const [type, make] of Object.entries(MAKE)) {
        if (type === needed) continue
        const [name = '', ...words] = make('k')
        await kernel.client.del('k')
        await kernel.client.call(name, ...words)
        const reason = new RegExp(`^the key holds a ${type}, the command needs a ${needed}$`)
        await expectRefusal(use, { command, reason })
      }
    })

    it.each(Object.entries(commands))(
      `for a %s on a key that the job itself made no ${needed}`,
      async (command, use) => {
        const other =
          needed === 'set'
            ? (effects: Effects) => effects.hset('k', 'f', 1)
            : (effects: Effects) => effects.sadd('k', 'a')
        const both = (effects: Effects) => {
          other(effects)
          use(effects)
        }
        await expectRefusal(both, { command, reason: /needs a/ })
      },
    )
  }

  const notWhole = ['', 'abc', '007', '-0', '+5', ' 5', '5 ', '5\n', '1.5', '1e3', 'inf', '-inf', 'nan', '0x10', '5\0']
  const tooLarge = ['9223372036854775807', '-9223372036854775808', '9'.repeat(40)]
  const notFinite = [
    '',
    'abc',
    ' 5',
    '5 ',
    '5\n',
    'inf',
    '-inf',
    'nan',
    '1e400',
    '1e-5000',
    '1.2.3',
    '5\0',
    '5\0x',
    '0x10',
    '9'.repeat(5_200),
  ]

  it.each([
    ['INCRBY', notWhole, /not a whole number/, 1],
    ['INCRBY', tooLarge, /would not fit 64 bits/, 1],
    ['INCRBYFLOAT', notFinite, /not a finite number/, 0.5],
    ['INCRBYFLOAT', ['1.7e308', '1e308'], /would not be finite/, 1.7e308],
  ] as const)('for an %s on %j', async (command, texts, reason, delta) => {
    for (const text of texts) {
      await kernel.client.set('k', text)
      const add = (effects: Effects) => effects[command === 'INCRBY' ? 'incrby' : 'incrbyfloat']('k', delta)
      await expectRefusal(add, { command, reason })
      // The same text put there by the job itself, whole and in two parts.
      await kernel.client.del('k')
      const built = (effects: Effects) => {
        effects.set('k', text)
        add(effects)
      }
      await expectRefusal(built, { command, reason })
      const inParts = (effects: Effects) => {
        effects.append('k', text.slice(0, 2))
        effects.append('k', text.slice(2))
        add(effects)
      }
      await expectRefusal(inParts, { command, reason })
    }
  })

  it.each([
    ['HINCRBY', notWhole, /not a whole number/, 1],
    ['HINCRBY', tooLarge, /would not fit 64 bits/, 1],
    ['HINCRBYFLOAT', notFinite, /not a finite number/, 0.5],
    ['HINCRBYFLOAT', ['1.7e308', '1e308'], /would not be finite/, 1.7e308],
  ] as const)('for an %s on a field of %j', async (command, texts, reason, delta) => {
    for (const text of texts) {
      await kernel.client.hset('k', 'f', text)
      const add = (effects: Effects) => effects[command === 'HINCRBY' ? 'hincrby' : 'hincrbyfloat']('k', 'f', delta)
      await expectRefusal(add, { command, reason })
      await kernel.client.del('k')
      const built = (effects: Effects) => {
        effects.hset('k', 'f', text)
        add(effects)
      }
      await expectRefusal(built, { command, reason })
    }
  })

  it.each<[string, string, (effects: Effects) => void, RegExp]>([
    [
      'a sum that only the second add reaches',
      'INCRBY',
      (effects) => {
        effects.set('k', '8985000000000000000')
        effects.incrby('k', Number.MAX_SAFE_INTEGER)
        effects.incrby('k', Number.MAX_SAFE_INTEGER)
      },
      /would not fit 64 bits/,
    ],
    [
      'a whole number added to what a float may have left',
      'INCRBY',
      (effects) => {
        effects.incrbyfloat('k', 2 ** 53)
        effects.incrbyfloat('k', 0.5)
        effects.incrby('k', 1)
      },
      /not a whole number/,
    ],
    [
      'a SETNX whose key an earlier write may have emptied',
      'SETNX',
      (effects) => {
        effects.sadd('k', 'a')
        effects.srem('k', 'a')
        effects.setnx('k', 'x')
      },
      /may have emptied the key/,
    ],
    [
      'a write of another type on what may be gone',
      'LPUSH',
      (effects) => {
        effects.sadd('k', 'a')
        effects.srem('k', 'a')
        effects.lpush('k', 'x')
      },
      /holds a set, the command needs a list/,
    ],
  ])('for %s', async (_what, command, use, reason) => {
    await expectRefusal(use, { command, reason })
  })

  it('with the number of the write among many, by its command and key', async () => {
    await kernel.client.set('k', 'abc')
    await expectRefusal(
      (effects) => {
        for (let i = 0; i < 500; i++) effects.sadd(`set-${i}`, 'a')
        effects.hincrby('k', 'f', 1)
      },
      { command: 'HINCRBY', reason: /holds a string, the command needs a hash/ },
    )
  })
})
