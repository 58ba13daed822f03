// Relays that are killed while an app commits and rolls back: the jobs that ran are held against the app's own
// table, which the same transactions wrote.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createOutbox, outboxSchema } from '../../src/producer/postgres/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { buildDrover } from '../support/drover-cli.js'
import { startTestPostgres, type TestPostgres } from '../support/postgres.js'
import { createRandom, testSeed } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const SCRIPT = fileURLToPath(new URL('../support/outbox-relay.mjs', import.meta.url))
const ORDERS = 1_500
const KILLS = 8
const RELAYS = 2
const BATCH = 15

let server: TestRedis
let postgres: TestPostgres
let pool: pg.Pool
const children = new Set<ChildProcess>()

beforeAll(async () => {
  await buildDrover()
  ;[server, postgres] = await Promise.all([startTestRedis(), startTestPostgres()])
  pool = new pg.Pool({ connectionString: postgres.url })
  pool.on('error', () => undefined)
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})
afterAll(async () => {
  await pool.end()
  await postgres.close()
  await server.close()
})

async function startRelay(): Promise<ChildProcess> {
  const args = [SCRIPT, server.url, postgres.url, String(BATCH)]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  const isReady = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => false)])
  if (!isReady) throw new Error('the relay ended before it was ready')
  return child
}

async function end(child: ChildProcess, how: 'kill' | 'close'): Promise<void> {
  const exited = once(child, 'exit')
  if (how === 'kill') child.kill('SIGKILL')
  else child.stdin?.write('close\n')
  const [code] = await exited
  if (how === 'close') expect(code).toBe(0)
}

it('every committed order is charged once, and none that was rolled back, though relays are killed all the time', async () => {
  const random = createRandom(testSeed())
  const charge = defineJob({ name: 'charge', queue: 'money', input: z.object({ order: z.int() }) })
  const outbox = createOutbox()
  await pool.query(outboxSchema())
  await pool.query('CREATE TABLE orders (id integer PRIMARY KEY)')

  // Jobs leave nothing behind but the note of the run, so that nothing but the relay's own record tells a second send.
  const runs = new Map<number, number>()
  const redis = new Redis(server.url)
  const worker = await createWorker({
    redis: server.url,
    handlers: [
      handle(charge, async ({ order }) => {
        runs.set(order, (runs.get(order) ?? 0) + 1)
      }),
    ],
    logger: pino({ level: 'silent' }),
  })
  const relays = await Promise.all(Array.from({ length: RELAYS }, startRelay))

  let added = 0
  const app = (async () => {
    for (let order = 1; order <= ORDERS; order++) {
      const client = await pool.connect()
      await client.query('BEGIN')
      await client.query('INSERT INTO orders VALUES ($1)', [order])
      await outbox.add(client, charge, { order })
      await client.query(random.chance(0.2) ? 'ROLLBACK' : 'COMMIT')
      client.release()
      added = order
    }
  })()

  for (let kill = 1; kill <= KILLS; kill++) {
    while (added < (kill * ORDERS) / (KILLS + 1)) await sleep(5)
    await sleep(random.below(50))
    const victim = kill % RELAYS
    await end(relays[victim] as ChildProcess, 'kill')
    // What a killed relay sent may have run and gone before its rows are sent again.
    for (const key of await redis.keys('{drover:money}:result:*')) await redis.del(key)
    relays[victim] = await startRelay()
  }
  await app

  const count = async (sql: string) => Number((await pool.query(sql)).rows[0].count)
  while ((await count('SELECT count(*) FROM drover_outbox')) > 0) await sleep(20)
  const committed = await count('SELECT count(*) FROM orders')
  while (runs.size < committed) await sleep(20)
  await Promise.all(relays.map((relay) => end(relay, 'close')))
  await worker.close()
  redis.disconnect()

  const { rows } = await pool.query('SELECT id FROM orders ORDER BY id')
  expect([...runs.keys()].sort((a, b) => a - b)).toEqual(rows.map(({ id }) => id))
  expect([...runs.values()].filter((times) => times !== 1)).toEqual([])
  expect(committed).toBeLessThan(ORDERS)
})
