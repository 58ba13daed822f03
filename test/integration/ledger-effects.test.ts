// Each staged command, applied by a real commit and read back.
import { createHash } from 'node:crypto'
import type { Job } from 'bullmq'
import { Redis } from 'ioredis'
import { beforeEach, describe, expect, it } from 'vitest'
import { MAX_EFFECT_CHARACTERS, MAX_EFFECTS } from '../../src/ledger/index.js'
import { expectExpiry } from '../support/expiry.js'
import { useKernel } from '../support/kernel.js'

const { server, kernel, stage } = await useKernel()
/** An active job: a refused commit leaves it as it is, so that one job serves many of them. */
let job: Job
beforeEach(async () => {
  job = await kernel.start()
})

describe('a commit applies', () => {
  it('writes of strings', async () => {
    const effects = stage((effects) => {
      effects.set('text', 'a\nb\0c é')
      effects.set('number', 1e21)
      effects.set('short', 'x', { ttlMs: 60_000 })
      effects.set('gone', 'x')
      effects.del('gone')
      effects.setnx('text', 'not again')
      effects.setnx('fresh', 'yes')
      effects.append('fresh', '!')
      effects.append('new', '')
      effects.incrby('count', 5)
      effects.incrby('count', -7)
      effects.incrbyfloat('share', 0.25)
      effects.incrbyfloat('share', 1)
      effects.expire('count', 90)
      effects.set('stays', '1', { ttlMs: 60_000 })
      effects.persist('stays')
    })
    const sinceMs = performance.now()
    await kernel.complete(job, { effects })
    const { client } = kernel
    expect(await client.mget('text', 'number', 'short', 'gone', 'fresh', 'new', 'count', 'share', 'stays')).toEqual([
      ...['a\nb\0c é', '1e+21', 'x', null, 'yes!', '', '-2', '1.25', '1'],
    ])
    await expectExpiry(client, 'count', 90, sinceMs)
    expect(await client.pttl('short')).toBeGreaterThan(1_000)
    expect(await client.ttl('stays')).toBe(-1)
  })

  it('writes of lists, the latest twenty among them', async () => {
    const effects = stage((effects) => {
      effects.rpush('list', 'b', 'c', 3)
      effects.lpush('list', 'a', 'zero')
      effects.lrem('list', 1, 'a')
      for (let i = 1; i <= 25; i++) {
        effects.lpush('latest', `file-${i}`)
        effects.ltrim('latest', 0, 19)
      }
    })
    await kernel.complete(job, { effects })
    expect(await kernel.client.lrange('list', 0, -1)).toEqual(['zero', 'b', 'c', '3'])
    expect(await kernel.client.lrange('latest', 0, -1)).toEqual(Array.from({ length: 20 }, (_, i) => `file-${25 - i}`))
  })

  it('writes of sets', async () => {
    const effects = stage((effects) => {
      effects.sadd('set', 'a', 'b', 'a', 7)
      effects.srem('set', 'b', 'never there')
      effects.srem('missing', 'a')
    })
    await kernel.complete(job, { effects })
    expect((await kernel.client.smembers('set')).sort()).toEqual(['7', 'a'])
    expect(await kernel.client.exists('missing')).toBe(0)
  })

  it('writes of sorted sets, a top list among them', async () => {
    const effects = stage((effects) => {
      for (const word of ['the', 'a', 'the', 'of', 'the', 'a']) effects.zincrby('words', 1, word)
      effects.zremrangebyrank('words', 0, -3)
      effects.zadd('scores', 1.5, 'm')
      effects.zadd('scores', -2, 'n')
      effects.zadd('scores', 9, 'o')
      effects.zrem('scores', 'm')
      effects.zremrangebyscore('scores', 5, 10)
    })
    await kernel.complete(job, { effects })
    expect(await kernel.client.call('ZRANGE', 'words', '0', '-1', 'WITHSCORES')).toEqual([
      ['a', '2'],
      ['the', '3'],
    ])
    expect(await kernel.client.zrange('scores', '0', '-1')).toEqual(['n'])
  })

  it('writes of hashes', async () => {
    const effects = stage((effects) => {
      effects.hset('hash', 'f', 'v')
      effects.hset('hash', { n: 1, gone: 'x', __proto__: 'ignored', 'a b': 'c' } as Record<string, string | number>)
      effects.hsetnx('hash', 'f', 'not again')
      effects.hsetnx('hash', 'new', 'yes')
      effects.hincrby('hash', 'n', 41)
      effects.hincrbyfloat('hash', 'share', 0.5)
      effects.hdel('hash', 'gone', 'never there')
    })
    await kernel.complete(job, { effects })
    expect(await kernel.client.hgetall('hash')).toEqual({ f: 'v', n: '42', 'a b': 'c', new: 'yes', share: '0.5' })
  })

  it('as many writes, and as much text, as a job may stage', async () => {
    const texts = stage((effects) => effects.set('large', 'x'.repeat(MAX_EFFECT_CHARACTERS - 5)))
    await kernel.complete(job, { effects: texts })
    expect(await kernel.client.strlen('large')).toBe(MAX_EFFECT_CHARACTERS - 5)
    const many = stage((effects) => {
      for (let i = 0; i < MAX_EFFECTS; i++) effects.sadd('many', i)
    })
    await kernel.complete(await kernel.start(), { effects: many })
    expect(await kernel.client.scard('many')).toBe(MAX_EFFECTS)
    const members = Array.from({ length: 998 }, (_, i) => createHash('sha1').update(`${i}`).digest('hex'))
    const wide = stage((effects) => effects.sadd('wide', ...members))
    await kernel.complete(await kernel.start(), { effects: wide })
    expect(await kernel.client.scard('wide')).toBe(998)
  })

  it('an addition to a long string without reading all of it', async () => {
    await kernel.client.setrange('log', 10_000_000, 'x')
    const watching = new Redis(server.url)
    const monitor = await watching.monitor()
    const reads: string[][] = []
    monitor.on('monitor', (_time: string, words: string[]) => {
      if (words[1] === 'log') reads.push(words)
    })
    await kernel.complete(job, { effects: stage((effects) => effects.append('log', 'line')) })
    await expect.poll(() => reads.at(-1)).toEqual(['APPEND', 'log', 'line'])
    monitor.disconnect()
    watching.disconnect()
    expect(reads.map(([command]) => command)).not.toContain('GET')
    expect(reads).toContainEqual(['GETRANGE', 'log', '0', '4096'])
    expect(await kernel.client.strlen('log')).toBe(10_000_005)
  })
})

describe('a commit plays writes forward, so that it takes', () => {
  it('what is right only after an earlier write of the same job', async () => {
    await kernel.client.set('was-string', 'abc')
    await kernel.client.rpush('was-list', 'a')
    await kernel.client.hset('hash', 'f', 'abc', 'n', '5')
    const effects = stage((effects) => {
      effects.del('was-string')
      effects.sadd('was-string', 'a')
      effects.set('was-list', '5')
      effects.incrby('was-list', 1)
      effects.hset('hash', 'f', 6)
      effects.hincrby('hash', 'f', 1)
      effects.hdel('hash', 'n')
      effects.hincrby('hash', 'n', 1)
      effects.srem('nothing', 'x')
      effects.setnx('nothing', '1')
      effects.incrby('nothing', 1)
    })
    await kernel.complete(job, { effects })
    expect(await kernel.client.smembers('was-string')).toEqual(['a'])
    expect(await kernel.client.get('was-list')).toBe('6')
    expect(await kernel.client.hgetall('hash')).toEqual({ f: '7', n: '1' })
    expect(await kernel.client.get('nothing')).toBe('2')
  })
})
