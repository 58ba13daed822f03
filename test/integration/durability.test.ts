// What a worker and a producer ask of the Redis that is to keep their jobs, and what strict durability waits for.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createProducer, defineJob, isDroverError, type Producer, type ProducerOptions } from '../../src/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { createWorker, handle, type WorkerOptions } from '../../src/worker/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { collectLog, type LogLine } from '../support/worker.js'

let server: TestRedis
let redis: Redis
beforeAll(async () => {
  server = await startTestRedis({ appendonly: true })
  redis = new Redis(server.port)
  await server.cli('ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '&*', '+@all', '-config')
})
afterEach(async () => {
  await redis.config('SET', 'appendonly', 'yes', 'appendfsync', 'everysec', 'save', '')
  await redis.config('SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction')
  await redis.flushall()
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
})

const job = (queue: string) => defineJob({ name: 'job', queue, input: anything })
const waiting = (queue: string) => redis.lrange(`${queueKeys('drover', queue).bullBase}wait`, 0, -1)

/** Starts a worker, closes it again, and gives what it logged; rejects with what it was refused with. */
async function start(options: Partial<WorkerOptions> = {}): Promise<LogLine[]> {
  const { logger, lines } = collectLog()
  const worker = await createWorker({
    redis: server.url,
    handlers: [handle(job('started'), () => 1)],
    logger,
    ...options,
  })
  await worker.close()
  return lines
}

/** The client's own INFO, of a new connection, is answered; the producer's look at the server is not, nor anything after it. */
async function startProxyThatFallsSilentAtSecondInfo(port: number) {
  let silenced = 0
  const sockets = new Set<Socket>()
  const listening = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    let infos = 0
    for (const [socket, other] of [[client, upstream] as const, [upstream, client] as const]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => other.destroy())
    }
    client.on('data', (bytes) => {
      const before = infos
      infos += bytes.toString('latin1').match(/\r\ninfo\r\n/gi)?.length ?? 0
      if (infos < 2) upstream.write(bytes)
      else if (before < 2) silenced++
    })
    upstream.on('data', (bytes) => client.write(bytes))
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const close = () => {
    for (const socket of sockets) socket.destroy()
    return new Promise<void>((resolve) => listening.close(() => resolve()))
  }
  return { url: `redis://127.0.0.1:${(listening.address() as AddressInfo).port}`, silenced: () => silenced, close }
}

function produce(options: ProducerOptions = {}): Producer {
  const producer = createProducer({ redis: server.url, ...options })
  onTestFinished(() => producer.close())
  return producer
}

const VOLATILE: [what: string, settings: string[], problem: RegExp][] = [
  ['without anything on disk', ['appendonly', 'no'], /nothing is written to disk .*CONFIG SET appendonly yes/],
  ['with snapshots only', ['appendonly', 'no', 'save', '3600 1'], /only snapshots .*save 3600 1.*appendonly yes/],
  [
    'that evicts',
    ['maxmemory', '1gb', 'maxmemory-policy', 'allkeys-lru'],
    /maxmemory-policy is allkeys-lru.*maxmemory-policy noeviction/,
  ],
]

describe.each(VOLATILE)('a Redis %s', (_, settings, problem) => {
  const spoil = () => redis.call('CONFIG', 'SET', ...settings)

  it('is refused by a worker, which names the setting and the flag', async () => {
    await spoil()
    const error = await start().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'REDIS_NOT_DURABLE', message: expect.stringMatching(problem) })
    expect((error as Error).message).toMatch(/--allow-volatile/)
    expect(await redis.keys('drover:*')).toEqual([])
  })

  it('is taken by a worker that was told so, which logs what can be lost', async () => {
    await spoil()
    const lines = await start({ allowVolatile: true })
    expect(lines).toContainEqual(
      expect.objectContaining({ found: 'volatile', level: 40, msg: expect.stringMatching(/^what Redis can lose: /) }),
    )
  })

  it('is refused by a producer before anything is sent, unless it was told so', async () => {
    await spoil()
    const producer = produce()
    const calls = Array.from({ length: 5 }, () => producer.enqueue(job('refused'), 1))
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'REDIS_NOT_DURABLE' } })
    }
    await expect(producer.enqueueBulk(job('refused'), [1, 2])).rejects.toMatchObject({ code: 'REDIS_NOT_DURABLE' })
    expect(await redis.dbsize()).toBe(0)
    await produce({ allowVolatile: true }).enqueue(job('allowed'), 1)
    expect(await waiting('allowed')).toHaveLength(1)
  })

  it('is taken by the same producer once it was set as the error says', async () => {
    await spoil()
    const producer = produce()
    await expect(producer.enqueue(job('mended'), 1)).rejects.toMatchObject({ code: 'REDIS_NOT_DURABLE' })
    await redis.config('SET', 'appendonly', 'yes', 'maxmemory-policy', 'noeviction')
    await vi.waitFor(() => producer.enqueue(job('mended'), 2), PATIENCE)
    expect(await waiting('mended')).toHaveLength(1)
  })
})

describe('durability', () => {
  it('is standard by default, and a worker says at its start what can be lost', async () => {
    const lines = (await start()).filter(({ msg }) => msg.startsWith('what Redis can lose'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ durability: 'standard', found: 'standard', level: 30 })
    expect(lines[0]?.msg).toMatch(
      /a crash of Redis takes what came since an unfinished sync began; of its machine, up to the last second \(appendfsync everysec\)/,
    )
  })

  it('strict is refused by a server that is only standard, with the command that changes it', async () => {
    const expected = { code: 'REDIS_NOT_DURABLE', problem: expect.stringContaining('CONFIG SET appendfsync always') }
    await expect(start({ durability: 'strict' })).rejects.toMatchObject(expected)
    await expect(produce({ durability: 'strict' }).enqueue(job('a'), 1)).rejects.toMatchObject(expected)
    await redis.config('SET', 'appendfsync', 'always')
    const lines = await start({ durability: 'strict' })
    expect(lines.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/: a crash takes nothing$/))
    await produce({ durability: 'strict' }).enqueue(job('a'), 1)
    expect(await waiting('a')).toHaveLength(1)
  })

  it('of a server that does not tell is taken, with one warning', async () => {
    await redis.config('SET', 'appendonly', 'no')
    const url = server.url.replace('redis://', 'redis://limited:pw@')
    const lines = await start({ redis: url, durability: 'strict' })
    const said = lines.filter(({ msg }) => msg.startsWith('what Redis can lose'))
    expect(said).toEqual([expect.objectContaining({ found: 'unknown', level: 40 })])
    await produce({ redis: url, durability: 'strict' }).enqueue(job('untold'), 1)
    expect(await waiting('untold')).toHaveLength(1)
  })

  it.each([
    [{ durability: 'safe' }, 'durability'],
    [{ allowVolatile: 'yes' }, 'allowVolatile'],
  ])('%j is no option that is taken', async (options, option) => {
    const refused = { code: 'INVALID_OPTION', option }
    await expect(start(options as never)).rejects.toMatchObject(refused)
    expect(() => createProducer(options as never)).toThrow(expect.objectContaining(refused))
  })

  it('comes from the environment where no option says it', async () => {
    vi.stubEnv('DROVER_DURABILITY', 'strict')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(start()).rejects.toMatchObject({ code: 'REDIS_NOT_DURABLE' })
    vi.stubEnv('DROVER_DURABILITY', '')
    vi.stubEnv('DROVER_ALLOW_VOLATILE', '1')
    await redis.config('SET', 'appendonly', 'no')
    await start()
  })

  it('of another version of the keys is not overwritten: the worker does not start', async () => {
    await redis.hset('drover:contract', 'version', '99')
    await expect(start()).rejects.toMatchObject({ code: 'KEY_VERSION', found: '99', expected: '1' })
    expect(await redis.hgetall('drover:contract')).toEqual({ version: '99' })
  })
})

describe('a strict producer whose Redis has a replica', () => {
  let replica: TestRedis
  let mirror: Redis
  beforeAll(async () => {
    replica = await startTestRedis({ args: ['--replicaof', `${server.host} ${server.port}`] })
    mirror = new Redis(replica.port)
    await vi.waitFor(async () => expect(await mirror.info('replication')).toContain('master_link_status:up'), PATIENCE)
  })
  afterAll(async () => {
    mirror.disconnect()
    await replica.close()
  })

  it('enqueues when the replica has the job, and not when the replica is silent; a retry finds the job', async () => {
    await redis.config('SET', 'appendfsync', 'always')
    const producer = produce({ durability: 'strict', timeout: '60s' })
    const contract = job('mirrored')
    const key = (id: string) => queueKeys('drover', 'mirrored').bullBase + id
    // A replica that is slow once answers too late for that time, as a silent one does.
    const patiently = <Value>(call: () => Promise<Value>) => vi.waitFor(call, PATIENCE)
    const { id } = await patiently(() => producer.enqueue(contract, 1))
    expect(await mirror.exists(key(id))).toBe(1)
    const { ids } = await patiently(() => producer.enqueueBulk(contract, [1, 2, 3]))
    expect(await mirror.exists(ids.map(key))).toBe(3)

    await replica.kill('SIGSTOP')
    const lonely = [producer.enqueue(contract, 2, { id: 'two' }), producer.enqueue(contract, 3, { id: 'three' })]
    for (const outcome of await Promise.allSettled(lonely)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'NOT_REPLICATED', waitMs: 1_000 } })
    }
    const error = await producer.enqueue(contract, 2, { id: 'two' }).catch((caught: unknown) => caught)
    expect(isDroverError(error) && error).toMatchObject({ code: 'NOT_REPLICATED', jobId: 'two' })
    await replica.kill('SIGCONT')

    expect(await patiently(() => producer.enqueue(contract, 2, { id: 'two' }))).toMatchObject({ id: 'two' })
    expect(await mirror.exists(key('two'))).toBe(1)
    expect((await waiting('mirrored')).filter((found) => found === 'two')).toHaveLength(1)
  })

  it('asks no replica where durability is standard', async () => {
    const producer = produce()
    await producer.enqueue(job('plain'), 1)
    expect(await redis.info('commandstats')).toMatch(/cmdstat_wait:/)
    await redis.config('RESETSTAT')
    await producer.enqueue(job('plain'), 2)
    expect(await redis.info('commandstats')).not.toMatch(/cmdstat_wait:/)
  })
})

describe('a producer whose sockets fell silent', () => {
  it('leaves the rest of the process alone when Redis stops answering before it was looked at', async () => {
    const proxy = await startProxyThatFallsSilentAtSecondInfo(server.port)
    onTestFinished(() => proxy.close())
    const producer = produce({ redis: proxy.url, timeout: '500ms' })
    const refused = (input: number) =>
      expect(producer.enqueue(job('unjudged'), input)).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    // On a busy machine the time of the first may be over before it has come to the look at Redis.
    await vi.waitFor(async () => {
      await refused(1)
      expect(proxy.silenced()).toBeGreaterThan(0)
    }, PATIENCE)
    await refused(2)
  })

  it('enqueues once, over a new connection, well before its timeout', async () => {
    const proxy = await startFaultProxy({ target: server.url })
    onTestFinished(() => proxy.close())
    // Far above the silence that it takes for an end: only a new connection can bring the job in.
    const producer = produce({ redis: proxy.url, timeout: '60s' })
    const contract = job('half-open')
    await producer.enqueue(contract, 1)
    proxy.set('silent', 'open')
    const before = proxy.counts.accepted
    await Promise.all([producer.enqueue(contract, 2, { id: 'a' }), producer.enqueue(contract, 3, { id: 'b' })])
    expect(proxy.counts.accepted).toBeGreaterThan(before)
    expect((await waiting('half-open')).sort()).toEqual(expect.arrayContaining(['a', 'b']))
    expect(await waiting('half-open')).toHaveLength(3)
  })
})
