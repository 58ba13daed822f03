// The outbox on a real Postgres: jobs of committed transactions come to Redis once, those of others never.
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import {
  createOutbox,
  createOutboxRelay,
  type OutboxRelayOptions,
  outboxSchema,
} from '../../src/producer/postgres/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startTestPostgres, type TestPostgres } from '../support/postgres.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const keys = queueKeys('drover', 'money')
const charge = defineJob({ name: 'charge', queue: 'money', input: z.object({ order: z.int() }) })
const outbox = createOutbox()

let server: TestRedis
let postgres: TestPostgres
let pool: pg.Pool
let redis: Redis

beforeAll(async () => {
  ;[server, postgres] = await Promise.all([startTestRedis(), startTestPostgres()])
})
beforeEach(async () => {
  pool = newPool()
  redis = new Redis(server.url)
  redis.on('error', () => undefined)
  await redis.flushdb()
  await pool.query('DROP TABLE IF EXISTS drover_outbox')
  await pool.query(outboxSchema())
})
afterEach(async () => {
  redis.disconnect()
  await pool.end()
})
afterAll(async () => {
  await server.close()
  await postgres.close()
})

function newPool(): pg.Pool {
  const made = new pg.Pool({ connectionString: postgres.url, max: 4, connectionTimeoutMillis: 60_000 })
  made.on('error', () => undefined)
  return made
}

function startRelay(options: Partial<OutboxRelayOptions> = {}) {
  const relay = createOutboxRelay({ pool, redis: server.url, interval: '20ms', ...options })
  onTestFinished(() => relay.close())
  return relay
}

async function transaction(work: (client: pg.PoolClient) => Promise<unknown>, end = 'COMMIT'): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await work(client)
    await client.query(end)
  } finally {
    client.release()
  }
}

async function addAll(orders: readonly number[]): Promise<string[]> {
  const ids: string[] = []
  await transaction(async (client) => {
    for (const order of orders) ids.push((await outbox.add(client, charge, { order })).id)
  })
  return ids
}

const rowCount = async () => Number((await pool.query('SELECT count(*) FROM drover_outbox')).rows[0].count)
const untilEmpty = () => until('the outbox is empty', async () => (await rowCount()) === 0)
const waiting = () => redis.lrange(`${keys.bullBase}wait`, 0, -1)
const orders = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

/** Keeps what is logged, as parsed lines. */
function logTo(lines: { msg: string; [field: string]: unknown }[]) {
  return pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) })
}

describe('a transaction with a job', () => {
  it('brings the job to its queue when it commits, with the id that add gave', async () => {
    await transaction(async (client) => {
      const handle = await outbox.add(client, charge, { order: 7 }, { id: 'order-7', attempts: 4, tags: ['big'] })
      expect(handle).toEqual({ id: 'order-7', name: 'charge', queue: 'money' })
    })
    const relay = startRelay()
    await untilEmpty()
    expect(await waiting()).toEqual(['order-7'])
    const stored = await redis.hgetall(`${keys.bullBase}order-7`)
    expect(stored).toMatchObject({ name: 'charge', data: '{"order":7}' })
    expect(JSON.parse(stored.opts ?? '')).toMatchObject({ attempts: 4, tags: ['big'] })
    expect(await redis.zscore(keys.tagged('big'), 'order-7')).not.toBeNull()
    await until('one row has moved', async () => relay.moved === 1)
  })

  it('enqueues nothing when it is rolled back', async () => {
    await transaction((client) => outbox.add(client, charge, { order: 1 }), 'ROLLBACK')
    await addAll([2])
    startRelay()
    await untilEmpty()
    expect(await waiting()).toHaveLength(1)
    const [id] = await waiting()
    expect(await redis.hget(`${keys.bullBase}${id}`, 'data')).toBe('{"order":2}')
  })

  it('counts a delay from its add, not from when the relay came', async () => {
    const before = Date.now()
    await transaction((client) => outbox.add(client, charge, { order: 1 }, { id: 'late', delay: '1h' }))
    startRelay()
    await untilEmpty()
    const timestamp = Number(await redis.hget(`${keys.bullBase}late`, 'timestamp'))
    expect(timestamp).toBeGreaterThanOrEqual(before)
    // BullMQ's score of a delayed job is its time in ms, times 4,096.
    const score = Number(await redis.zscore(`${keys.bullBase}delayed`, 'late'))
    expect(Math.floor(score / 4_096)).toBe(timestamp + 3_600_000)
  })

  it('keeps texts that Postgres and JSON write differently', async () => {
    const text = 'a\u0000b "\\ é 𝄞'
    const say = defineJob({ name: 'say', queue: 'money', input: z.object({ text: z.string() }) })
    await transaction((client) => outbox.add(client, say, { text }, { id: 'said' }))
    startRelay()
    await untilEmpty()
    const data = await redis.hget(`${keys.bullBase}said`, 'data')
    expect(JSON.parse(data ?? '')).toEqual({ text })
  })

  it('refuses what a producer refuses, and inserts nothing then', async () => {
    await transaction(async (client) => {
      const bad = { order: 'x' } as unknown as { order: number }
      await expect(outbox.add(client, charge, bad)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      const wrong: readonly [object, string][] = [
        [{ id: '12' }, 'INVALID_JOB_ID'],
        [{ colour: 'red' }, 'UNKNOWN_OPTION'],
        [{ key: 'k' }, 'INVALID_OPTION'],
        [{ batch: 'b' }, 'INVALID_OPTION'],
        [{ delay: '1 fortnight' }, 'INVALID_OPTION'],
      ]
      for (const [options, code] of wrong) {
        await expect(outbox.add(client, charge, { order: 1 }, options as object)).rejects.toMatchObject({ code })
      }
    })
    expect(await rowCount()).toBe(0)
    for (const call of [
      () => createOutbox({ table: 'Robert"; DROP TABLE students' }),
      () => outboxSchema({ table: 'a.b.c' }),
      () => createOutboxRelay({ pool: {} as pg.Pool }),
      () => createOutboxRelay({ pool, batchSize: 0 }),
      () => createOutboxRelay({ pool, interval: '1ms' }),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    }
  })
})

describe('the schema', () => {
  it('may be made again, and by several at once, in a schema and under a name of one’s own', async () => {
    await pool.query('CREATE SCHEMA IF NOT EXISTS app')
    const table = 'app.jobs_out'
    await Promise.all(orders(4).map(() => pool.query(outboxSchema({ table }))))
    await transaction((client) => createOutbox({ table }).add(client, charge, { order: 1 }, { id: 'elsewhere' }))
    startRelay({ table })
    await until('the queue is there', async () => (await redis.exists(`${keys.bullBase}elsewhere`)) === 1)
  })
})

describe('a relay', () => {
  it('shares the rows with others: each is moved once', async () => {
    const ids = await addAll(orders(1_000))
    const relays = orders(4).map(() => startRelay({ batchSize: 50 }))
    await untilEmpty()
    await Promise.all(relays.map((relay) => relay.close()))
    expect((await waiting()).sort()).toEqual(ids.sort())
    expect(relays.reduce((sum, { moved }) => sum + moved, 0)).toBe(1_000)
  })

  it('does not run a job again that ran and left nothing, when its row is moved a second time', async () => {
    await addAll([1])
    const { rows } = await pool.query('SELECT * FROM drover_outbox')
    startRelay()
    await untilEmpty()
    // As when the relay ended between Redis and its commit: the job is gone without a result, the row is back.
    const [id = ''] = await waiting()
    await redis.lrem(`${keys.bullBase}wait`, 1, id)
    await redis.del(`${keys.bullBase}${id}`)
    const columns = ['job_id', 'queue', 'name', 'input', 'options', 'rules', 'enqueued_at_ms']
    await pool.query(
      `INSERT INTO drover_outbox (${columns}) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      columns.map((column) => rows[0][column]),
    )
    await untilEmpty()
    expect(await waiting()).toEqual([])
  })

  it('leaves no record in Redis for longer than ten minutes', async () => {
    const [id = ''] = await addAll([1])
    startRelay()
    await untilEmpty()
    const record = keys.key(`charge:~${id}`)
    await until('the record expires as told', async () => (await redis.pttl(record)) <= 600_000)
    expect(await redis.pttl(record)).toBeGreaterThan(500_000)
  })

  it('parks a row that can never be enqueued, with its error, tells it, and moves the others', async () => {
    await addAll([1])
    await pool.query(`UPDATE drover_outbox SET input = '{"order":', job_id = 'torn'`)
    await addAll([2])
    await pool.query(`UPDATE drover_outbox SET queue = 'no:such' WHERE job_id <> 'torn'`)
    const ids = await addAll([3, 4])
    const lines: { msg: string; [field: string]: unknown }[] = []
    startRelay({ maxTries: 2, logger: logTo(lines) })
    await until('both rows are parked', async () => {
      const parked = await pool.query('SELECT 1 FROM drover_outbox WHERE parked_at IS NOT NULL')
      return parked.rows.length === 2
    })
    expect((await waiting()).sort()).toEqual(ids.sort())
    const { rows } = await pool.query('SELECT job_id, tries, error FROM drover_outbox ORDER BY seq')
    expect(rows[0]).toMatchObject({ job_id: 'torn', tries: 2, error: expect.stringContaining('SyntaxError') })
    expect(rows[1]).toMatchObject({ tries: 2, error: expect.stringContaining('no:such') })
    const told = lines.filter(({ msg }) => msg.includes('parked'))
    expect(told.map(({ tries, job }) => ({ tries, job }))).toEqual([
      { tries: 2, job: 'charge' },
      { tries: 2, job: 'charge' },
    ])
  })

  it('finds the one row that Redis refuses among many of its queue', async () => {
    const ids = await addAll([1, 2, 3])
    // A stranger's list stands where the job belongs.
    await redis.rpush(keys.key(`charge:~${ids[1]}`), 'x')
    startRelay({ maxTries: 1 })
    await until('one row is left', async () => (await rowCount()) === 1)
    expect((await waiting()).sort()).toEqual([ids[0], ids[2]].sort())
    await until('the bad row is parked', async () => {
      const { rows } = await pool.query('SELECT job_id, error FROM drover_outbox WHERE parked_at IS NOT NULL')
      return rows[0]?.job_id === ids[1] && rows[0]?.error.includes('WRONGTYPE')
    })
  })

  it('lets the jobs of a full queue wait in the table, and those of other queues pass', async () => {
    const narrow = defineJob({ name: 'narrow', queue: 'narrow', input: z.object({ order: z.int() }), maxDepth: 1 })
    const narrowKeys = queueKeys('drover', 'narrow')
    await transaction(async (client) => {
      for (const order of orders(3)) await outbox.add(client, narrow, { order })
      await outbox.add(client, charge, { order: 1 })
    })
    startRelay({ batchSize: 2 })
    await until(
      'one job is moved and two rows are left',
      async () => (await rowCount()) === 2 && (await waiting()).length === 1,
    )
    expect(await redis.llen(`${narrowKeys.bullBase}wait`)).toBe(1)
    await redis.del(`${narrowKeys.bullBase}wait`)
    await until('one row is left', async () => (await rowCount()) === 1)
    const { rows } = await pool.query('SELECT tries, parked_at FROM drover_outbox')
    expect(rows).toEqual([{ tries: 0, parked_at: null }])
  })

  it('applies unique when it moves the rows', async () => {
    const sync = defineJob({
      name: 'sync',
      queue: 'money',
      input: z.object({ user: z.string() }),
      unique: { by: 'user' },
    })
    await transaction(async (client) => {
      for (const user of ['ada', 'ada', 'bob']) await outbox.add(client, sync, { user })
    })
    startRelay()
    await untilEmpty()
    expect(await waiting()).toHaveLength(2)
  })

  it('is woken at once instead of after its interval', async () => {
    const relay = startRelay({ interval: '1m' })
    await sleep(0)
    await addAll([1])
    await until('the woken relay has moved the row', async () => {
      relay.wake()
      return (await rowCount()) === 0
    })
  })

  it('goes on where it was when Redis comes back, and each job is there once', async () => {
    const ids = await addAll(orders(300))
    const lines: { msg: string; [field: string]: unknown }[] = []
    const relay = startRelay({ batchSize: 20, timeout: '200ms', logger: logTo(lines) })
    await until('a row has moved', async () => relay.moved > 0)
    await server.kill()
    await until(
      'the relay has met the error',
      async () => lines.some(({ msg }) => msg.includes('cannot move rows')) || (await rowCount()) === 0,
    )
    await server.restart()
    await untilEmpty()
    await until('the connection is back', async () => redis.status === 'ready')
    expect((await waiting()).sort()).toEqual(ids.sort())
  })

  it('goes on where it was when Postgres comes back', async () => {
    const ids = await addAll(orders(300))
    const relay = startRelay({ batchSize: 10 })
    await until('a row has moved', async () => relay.moved > 0)
    await postgres.kill('SIGKILL')
    await postgres.start()
    await untilEmpty()
    expect((await waiting()).sort()).toEqual(ids.sort())
  })

  it('closes after the batch under way and gives every connection back', async () => {
    await addAll(orders(500))
    const relay = createOutboxRelay({ pool, redis: server.url, batchSize: 10 })
    await until('a row has moved', async () => relay.moved > 0)
    await relay.close()
    await relay.close()
    expect(await rowCount()).toBe(500 - relay.moved)
    expect((await waiting()).length).toBe(relay.moved)
    expect(pool.idleCount).toBe(pool.totalCount)
    expect(pool.waitingCount).toBe(0)
  })
})
