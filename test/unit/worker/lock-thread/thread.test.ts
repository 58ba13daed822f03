// The lock thread as a thread: it starts from the sources, is started again when it ends, and says what it cannot be given.
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { createTableMemory, LockTable, monotonicMs } from '../../../../src/worker/lock-table.js'
import type { FromLockThread } from '../../../../src/worker/lock-thread/messages.js'
import { LockThread } from '../../../../src/worker/lock-thread/thread.js'
import { startTestRedis, type TestRedis } from '../../../support/redis.js'
import { PATIENCE } from '../../../support/until.js'
import { collectLog } from '../../../support/worker.js'

let server: TestRedis
const threads: LockThread[] = []
beforeAll(async () => {
  server = await startTestRedis()
})
afterEach(() => Promise.all(threads.splice(0).map((thread) => thread.close())))
afterAll(() => server.close())

const redis = () => ({ kind: 'single', host: server.host, port: server.port, db: 0 }) as const
const queues = [{ name: 'media', bullBase: '{d:media}:media:' }]

function open(lockMs: number, tls?: object) {
  const memory = createTableMemory(4)
  const { logger, lines } = collectLog()
  const messages: FromLockThread[] = []
  const onGone = vi.fn()
  const settings = tls === undefined ? redis() : { ...redis(), tls }
  const thread = new LockThread({ memory, redis: settings, lockMs, maxBlockedMs: 0, queues }, logger, {
    onMessage: (message) => messages.push(message),
    onGone,
  })
  threads.push(thread)
  return { thread, table: new LockTable(memory), messages, onGone, lines }
}

/** What a thread cannot take: it ends with an error. */
function breakThread(thread: LockThread) {
  thread.tell({ kind: 'hold' } as never, 'broken')
  thread.tell({ kind: 'release', slot: 99 }, 'broken')
}

it('a thread that ends unexpectedly is started again, logged, and knows what its predecessor was told', async () => {
  const { thread, table, messages, onGone, lines } = open(60_000)
  await thread.ready()
  const startedAt = monotonicMs() - 120_000
  const lock = { queue: 0, id: 'größe', token: 't', startedAt, timeoutMs: 1 }
  thread.tell({ kind: 'hold', entry: { ...lock, slot: 4, version: 0 } }, 'hold 4')
  breakThread(thread)
  await vi.waitFor(() => expect(lines).toHaveLength(1), PATIENCE)
  expect(lines[0]).toMatchObject({ level: 50, msg: 'the thread that renews locks ended, starting it again' })
  // Held since longer than a lock holds: whoever knows of it says so.
  await vi.waitFor(() => expect(messages).toContainEqual({ kind: 'lost', locks: [{ slot: 4, version: 0 }] }), PATIENCE)
  expect([onGone.mock.calls, table.read()]).toEqual([[], []])
}, 60_000)

it('locks are lost when no thread comes back for as long as they hold', async () => {
  const { thread, onGone } = open(300)
  await thread.ready()
  breakThread(thread)
  await vi.waitFor(() => expect(onGone).toHaveBeenCalledTimes(1), PATIENCE)
}, 60_000)

it('TLS settings that cannot be given to a thread are refused by name', () => {
  expect(() => open(1_000, { checkServerIdentity: () => undefined })).toThrow(/option redis\.tls: expected values/)
})
