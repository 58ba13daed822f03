// A server that is too old, seen from a worker: a real one, whose version is made an older one of the same length on its
// way to the worker, as no package of that age is at hand.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob, RedisTooOldError } from '../../src/job/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const VERSION = /^((?:redis|valkey)_version:)(\d)(\.\d\S*)/gm
const sockets = new Set<Socket>()
let shown = ''
let server: TestRedis
const relay = createServer((client) => {
  const upstream = connect(server.port, server.host)
  const ageing = new Transform({
    transform: (bytes: Buffer, _encoding, done) => {
      const older = (_all: string, field: string, _major: string, rest: string) => {
        shown = `5${rest}`
        return `${field}${shown}`
      }
      done(null, Buffer.from(bytes.toString('latin1').replace(VERSION, older), 'latin1'))
    },
  })
  for (const socket of [client, upstream]) {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
  }
  client.pipe(upstream)
  upstream.pipe(ageing).pipe(client)
})

beforeAll(async () => {
  server = await startTestRedis()
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
})
afterAll(async () => {
  relay.close()
  for (const socket of sockets) socket.destroy()
  await server.close()
})

it('is refused before a job is taken, by its version and the one that is asked for', async () => {
  const redis = `redis://127.0.0.1:${(relay.address() as AddressInfo).port}`
  const contract = defineJob({ name: 'read', queue: 'reading', input: z.object({ n: z.int() }) })
  const handlers = [handle(contract, async () => null)]
  const error = await createWorker({ redis, handlers, logger: pino({ level: 'silent' }) }).catch((each) => each)
  expect(error).toBeInstanceOf(RedisTooOldError)
  expect(error).toMatchObject({ code: 'REDIS_TOO_OLD', found: shown, minimum: '6.2.0' })
  expect(error.message).toContain(`Redis ${shown} is too old: expected 6.2.0 or later`)
  expect(await server.cli('KEYS', '*')).toBe('')
})
