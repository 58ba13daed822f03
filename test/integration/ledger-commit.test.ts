// One finish of one job that completes: what it writes, and that all of it is written in one atomic step.
import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { readSteps, stepsOn } from '../support/append-only-file.js'
import { expectExpiry } from '../support/expiry.js'
import { openKernel, useKernel } from '../support/kernel.js'

const { server, kernel, redis, resultOf } = await useKernel({ appendonly: true })

describe('a completed job', () => {
  it('leaves its result record, kept as long as its contract says, rounded up to seconds', async () => {
    const sinceMs = performance.now()
    const job = await kernel.start({ delay: 0, attempts: 3 })
    await kernel.complete(job, { valueJson: '{"bytes":[1,"é\\u2028"]}', keepResultMs: 90_001, runMs: 12.6 })
    const record = await resultOf(job)
    expect(record).toEqual({
      v: 1,
      id: job.id,
      job: 'resize',
      queue: 'media',
      status: 'completed',
      value: { bytes: [1, 'é\u2028'] },
      attempts: 1,
      enqueuedAt: job.timestamp,
      startedAt: job.processedOn,
      finishedAt: Number(await redis.hget(kernel.bull(String(job.id)), 'finishedOn')),
      runMs: 13,
      waitMs: Number(job.processedOn) - job.timestamp,
    })
    await expectExpiry(redis, kernel.keys.result(String(job.id)), 91, sinceMs)
  })

  it('waited from the end of its delay, not from enqueue', async () => {
    const job = await kernel.start({})
    job.opts = { ...job.opts, delay: 40 }
    job.timestamp = Number(job.processedOn) - 100
    await kernel.complete(job)
    expect((await resultOf(job))?.waitMs).toBe(60)
  })

  it('counts in the totals, in the minute of its end with both histograms, and its counters in both', async () => {
    const sinceMs = performance.now()
    const job = await kernel.start({ name: 'image.resize' })
    job.timestamp = Number(job.processedOn) - 7
    const { finishedOn } = (await kernel.complete(job, {
      runMs: 42,
      counters: new Map([
        ['bytes', 5],
        ['files', -2],
      ]),
    })) as { finishedOn: number }
    const stats = kernel.keys.stats(Math.floor(finishedOn / 60_000))
    expect(await redis.hgetall(kernel.keys.totals)).toEqual({ 'image.resize:completed': '1' })
    expect(await redis.hgetall(stats)).toEqual({
      'image.resize|c|5|3': '1',
      '#bytes|image.resize': '5',
      '#files|image.resize': '-2',
    })
    await expectExpiry(redis, stats, 172_800, sinceMs)
    expect(await redis.mget(kernel.keys.counter('bytes'), kernel.keys.counter('files'))).toEqual(['5', '-2'])
    expect((await redis.smembers(kernel.keys.counterNames)).sort()).toEqual(['bytes', 'files'])
  })

  it('adds to counters that other programs made, up to the edge of what a sum can be', async () => {
    await redis.set(kernel.keys.counter('bytes'), '8990000000000000000')
    await redis.set(kernel.keys.counter('files'), '-3')
    const counters = new Map([
      ['bytes', Number.MAX_SAFE_INTEGER],
      ['files', 3],
    ])
    await kernel.complete(await kernel.start(), { counters })
    expect(await redis.get(kernel.keys.counter('bytes'))).toBe('8999007199254740991')
    expect(await redis.get(kernel.keys.counter('files'))).toBe('0')
  })

  it('of a later attempt tells nothing about how long the queue lets jobs wait', async () => {
    const job = await kernel.start()
    job.attemptsMade = 1
    const { finishedOn } = (await kernel.complete(job)) as { finishedOn: number }
    expect(await redis.hkeys(kernel.keys.stats(Math.floor(finishedOn / 60_000)))).toEqual(['resize|c|0|-'])
    expect((await resultOf(job))?.attempts).toBe(2)
  })

  it('leaves BullMQ only the name of its result, in the job and in the event stream', async () => {
    const job = await kernel.start()
    await kernel.complete(job, { valueJson: JSON.stringify('x'.repeat(50_000)) })
    const kept = await redis.hget(kernel.bull(String(job.id)), 'returnvalue')
    expect(kept).toBe(JSON.stringify(kernel.keys.result(String(job.id))))
    expect(JSON.stringify(await redis.xrange(kernel.bull('events'), '-', '+'))).not.toContain('xxx')
  })

  it('hands the next job over in the same call', async () => {
    const job = await kernel.start()
    await kernel.add({ jobId: 'next' })
    kernel.backend.stage(job, { status: 'completed', valueJson: '1', keepResultMs: 60_000, runMs: 1 })
    const { result } = await kernel.backend.moveToCompleted(job, null, { count: 1 }, 'worker-1:0', true)
    expect([result?.[1], (await resultOf(job))?.status]).toEqual(['next', 'completed'])
  })

  it('leaves its result also when BullMQ is to keep nothing of it', async () => {
    const job = await kernel.start()
    kernel.backend.stage(job, { status: 'completed', valueJson: '1', keepResultMs: 60_000, runMs: 1 })
    await kernel.backend.moveToCompleted(job, null, { count: 0 }, 'worker-1:0', false)
    expect(await redis.exists(kernel.bull(String(job.id)))).toBe(0)
    expect((await resultOf(job))?.status).toBe('completed')
  })

  it('commits also when Redis has forgotten the script', async () => {
    const job = await kernel.start()
    await redis.script('FLUSH')
    await kernel.complete(job)
    expect((await resultOf(job))?.status).toBe('completed')
  })
})

describe('the message of a commit', () => {
  it('carries the record on the channel of the job, and nothing of a large one', async () => {
    const small = await kernel.start()
    const large = await kernel.start()
    const listener = new Redis(server.url)
    const messages: [string, string][] = []
    listener.on('message', (channel: string, text: string) => messages.push([channel, text]))
    const channels = [small, large].map((job) => kernel.keys.done(String(job.id)))
    await listener.subscribe(...channels)
    await kernel.complete(small)
    await kernel.complete(large, { valueJson: JSON.stringify('x'.repeat(8_192)) })
    await expect.poll(() => messages.length).toBe(2)
    listener.disconnect()
    expect(messages).toEqual([
      [channels[0], await redis.get(kernel.keys.result(String(small.id)))],
      [channels[1], ''],
    ])
  })

  it('may be refused to a worker without harm to its commit', async () => {
    await redis.call('ACL', 'SETUSER', 'quiet', 'on', '>pw', '~*', '+@all', 'resetchannels')
    const quiet = await openKernel(`redis://quiet:pw@${server.host}:${server.port}`)
    const job = await quiet.start()
    await quiet.complete(job)
    expect((await resultOf(job))?.status).toBe('completed')
    await quiet.close()
  })
})

describe('one atomic step', () => {
  it('holds the end of the job, its result, every count and every staged write, by the append-only file', async () => {
    const job = await kernel.start()
    const id = String(job.id)
    const { finishedOn } = (await kernel.complete(job, {
      counters: new Map([['bytes', 5]]),
      effects: [
        ['SADD', 'own-set', 'a'],
        ['INCRBY', 'own-number', 3],
      ],
    })) as { finishedOn: number }
    const { keys } = kernel
    const touched = [
      ...[keys.result(id), keys.totals, keys.stats(Math.floor(finishedOn / 60_000)), keys.counter('bytes')],
      ...[keys.counterNames, 'own-set', 'own-number', kernel.bull('completed')],
    ]
    // The last step on each of them is one and the same.
    const [finishing = []] = stepsOn(server, keys.result(id))
    for (const key of touched) expect(stepsOn(server, key).at(-1), key).toEqual(finishing)
    expect(finishing).toContainEqual(['DEL', `${kernel.bull(id)}:lock`])
    expect(finishing).toContainEqual(['LREM', kernel.bull('active'), '-1', id])
    expect(stepsOn(server, keys.result(id))).toHaveLength(1)
  })

  it('of a refused commit does not exist', async () => {
    await redis.set('text', 'abc')
    const job = await kernel.start()
    const before = readSteps(server).length
    const effects = [
      ['SET', 'first', '1'],
      ['INCRBY', 'text', 1],
    ]
    await expect(kernel.complete(job, { effects })).rejects.toMatchObject({ code: 'EFFECT_REJECTED' })
    await redis.set('marker-of-test', '1')
    expect(readSteps(server).slice(before)).toEqual([[['set', 'marker-of-test', '1']]])
  })
})
