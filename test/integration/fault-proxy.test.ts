// The fault proxy of `drover/testing`, before a server of its own that keeps what it was sent, and before a real Redis.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FaultProxy, startFaultProxy } from '../../src/testing/index.js'
import { freePort, startTestRedis, type TestRedis } from '../support/redis.js'

interface Peer {
  readonly socket: Socket
  readonly text: string
  readonly isClosed: boolean
}

let server: Server
let proxy: FaultProxy
let taken: Peer[]
let clients: Socket[]

// Keeps what it is sent, answers each line with "got <line>".
beforeEach(async () => {
  taken = []
  clients = []
  server = createServer((socket) => {
    const peer = note(socket)
    taken.push(peer)
    socket.on('data', (bytes) => socket.write(`got ${bytes}`))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address with a port')
  proxy = await startFaultProxy({ target: `redis://127.0.0.1:${address.port}` })
})
afterEach(async () => {
  await proxy.close()
  for (const socket of clients) socket.destroy()
  server.close()
  await once(server, 'close')
})

function note(socket: Socket): Peer {
  let [text, isClosed] = ['', false]
  socket
    .on('error', () => undefined)
    .on('close', () => {
      isClosed = true
    })
  socket.on('data', (bytes) => {
    text += bytes
  })
  return {
    socket,
    get text() {
      return text
    },
    get isClosed() {
      return isClosed
    },
  }
}

async function open(): Promise<Peer> {
  const socket = connect(proxy.port, '127.0.0.1')
  clients.push(socket)
  await once(socket, 'connect')
  return note(socket)
}

/** Opens a client, and waits until a line went there and back. */
async function openAndTalk(): Promise<Peer> {
  const client = await open()
  client.socket.write('hello\n')
  await expect.poll(() => client.text).toBe('got hello\n')
  return client
}

const until = (condition: () => unknown) => expect.poll(condition, { interval: 5 })

describe('a proxy', () => {
  it('passes everything, and counts the bytes of each connection', async () => {
    const client = await openAndTalk()
    expect(proxy.connections).toMatchObject([{ id: 1, isOpen: true, requestBytes: 6, replyBytes: 10 }])
    client.socket.end()
    await until(() => proxy.connections).toEqual([])
    await until(() => taken[0]?.isClosed).toBe(true)
    expect(proxy.counts).toEqual({ accepted: 1, cut: 0, lostReplies: 0 })
  })

  it('passes what is far more than it holds, whole', async () => {
    const client = await open()
    const line = `${'x'.repeat(8_000_000)}\n`
    client.socket.write(line)
    await until(() => taken[0]?.text.length).toBe(line.length)
    await until(() => client.text.replaceAll('got ', '') === line).toBe(true)
  })

  it('silences open connections alone, and lets what it held through afterwards', async () => {
    const old = await openAndTalk()
    proxy.set('silent', 'open')
    old.socket.write('held\n')
    const fresh = await openAndTalk()
    expect([old.text, taken[0]?.text, fresh.text]).toEqual(['got hello\n', 'hello\n', 'got hello\n'])
    proxy.set('pass')
    await until(() => old.text).toBe('got hello\ngot held\n')
  })

  it('silences new connections too, which are taken and hear nothing', async () => {
    proxy.set('silent')
    const client = await open()
    client.socket.write('held\n')
    await until(() => proxy.connections[0]?.requestBytes).toBe(5)
    expect([client.text, client.isClosed]).toEqual(['', false])
    proxy.set('pass')
    await until(() => client.text).toBe('got held\n')
  })

  it('keeps the end of a silenced connection from the other side until the silence ends', async () => {
    const client = await openAndTalk()
    proxy.set('silent', 'open')
    client.socket.end('last words\n')
    await until(() => client.isClosed).toBe(true)
    await openAndTalk()
    expect(taken[0]).toMatchObject({ text: 'hello\n', isClosed: false })
    proxy.set('pass')
    await until(() => taken[0]).toMatchObject({ text: 'hello\nlast words\n', isClosed: true })
  })

  it('holds no more than a little of a silenced connection', async () => {
    const client = await openAndTalk()
    proxy.set('silent')
    const [connection] = proxy.connections
    while (client.socket.write('x'.repeat(100_000))) await new Promise(setImmediate)
    await until(() => connection?.requestBytes).toBeGreaterThan(0)
    expect(connection?.requestBytes).toBeLessThan(2_000_000)
  })

  it('lets a request through and loses its reply with the connection', async () => {
    const client = await openAndTalk()
    proxy.set({ mode: 'dropReply', matching: 'PAY', count: 1 })
    client.socket.write('look\n')
    await until(() => client.text).toBe('got hello\ngot look\n')
    client.socket.write('pay\n')
    await until(() => client.isClosed).toBe(true)
    await until(() => taken[0]).toMatchObject({ text: 'hello\nlook\npay\n', isClosed: true })
    expect(client.text).toBe('got hello\ngot look\n')
    expect(proxy.counts).toEqual({ accepted: 1, cut: 1, lostReplies: 1 })
    const next = await open()
    next.socket.write('pay\n')
    await until(() => next.text).toBe('got pay\n')
  })

  it('loses every third reply when it is told to, over all connections', async () => {
    proxy.set({ mode: 'dropReply', every: 3 })
    const ends: boolean[] = []
    for (let index = 0; index < 6; index++) {
      const client = await open()
      client.socket.write('hi\n')
      await until(() => client.text === 'got hi\n' || client.isClosed).toBe(true)
      ends.push(client.isClosed)
      client.socket.end()
    }
    expect(ends).toEqual([false, false, true, false, false, true])
    expect(proxy.counts.lostReplies).toBe(2)
  })

  it('cuts open connections alone', async () => {
    const old = await openAndTalk()
    proxy.set('cut', 'open')
    await until(() => [old.isClosed, taken[0]?.isClosed]).toEqual([true, true])
    await openAndTalk()
  })

  it('cuts new connections as they come, until it passes again', async () => {
    proxy.set('cut')
    const client = await open()
    await until(() => client.isClosed).toBe(true)
    proxy.set('pass')
    await openAndTalk()
  })

  it.each([
    ['replies', 'got h', 'hello\n'],
    ['requests', '', 'hello'],
  ] as const)('cuts a connection after so many bytes of %s', async (of, reply, request) => {
    proxy.set({ mode: 'cut', afterBytes: 5, of })
    const client = await open()
    client.socket.write('hello\n')
    await until(() => [client.isClosed, taken[0]?.isClosed]).toEqual([true, true])
    expect([client.text, taken[0]?.text]).toEqual([reply, request])
  })

  it('slows each way of a connection down to so many bytes a second, and loses none', async () => {
    const client = await open()
    proxy.set({ mode: 'throttle', bytesPerSecond: 2_000 })
    const from = performance.now()
    client.socket.write(`${'x'.repeat(599)}\n`)
    await until(() => taken[0]?.text.length).toBe(600)
    expect(performance.now() - from).toBeGreaterThan(250)
    await until(() => client.text.replaceAll('got ', '').length).toBe(600)
  })

  it('delays everything by so many milliseconds each way, in order, and the end too', async () => {
    const client = await openAndTalk()
    proxy.set({ mode: 'throttle', delayMs: 100 })
    const from = performance.now()
    for (const line of ['a\n', 'b\n', 'c\n']) client.socket.write(line)
    await until(() => client.text.replaceAll('got ', '')).toBe('hello\na\nb\nc\n')
    expect(performance.now() - from).toBeGreaterThan(190)
    client.socket.end('d\n')
    await until(() => taken[0]).toMatchObject({ text: 'hello\na\nb\nc\nd\n', isClosed: true })
    await until(() => proxy.connections).toEqual([])
  })

  it('treats one connection alone', async () => {
    const [first, second] = [await openAndTalk(), await openAndTalk()]
    proxy.connections[0]?.set('cut')
    await until(() => first.isClosed).toBe(true)
    second.socket.write('still\n')
    await until(() => second.text).toBe('got hello\ngot still\n')
  })

  it('is closed with all its connections, twice if need be, and its port is free again', async () => {
    const client = await openAndTalk()
    proxy.set('silent')
    await Promise.all([proxy.close(), proxy.close()])
    await until(() => [client.isClosed, taken[0]?.isClosed]).toEqual([true, true])
    const again = createServer().listen(proxy.port, '127.0.0.1')
    await once(again, 'listening')
    again.close()
  })

  it('cuts a client when nothing listens behind it', async () => {
    const nowhere = await startFaultProxy({ target: `redis://localhost:${await freePort()}` })
    const socket = connect(nowhere.port, '127.0.0.1')
    const client = note(socket)
    await until(() => client.isClosed).toBe(true)
    expect(nowhere.connections).toEqual([])
    await nowhere.close()
  })

  it.each([
    [{ mode: 'slow' }, 'mode'],
    ['loud', 'mode'],
    [{ mode: 'dropReply', every: 0 }, 'every'],
    [{ mode: 'dropReply', count: -1 }, 'count'],
    [{ mode: 'cut', afterBytes: 1.5 }, 'afterBytes'],
    [{ mode: 'cut', of: 'words' }, 'of'],
    [{ mode: 'throttle', bytesPerSecond: 0 }, 'bytesPerSecond'],
    [{ mode: 'throttle', delayMs: Number.NaN }, 'delayMs'],
  ])('refuses the fault %j', (fault, option) => {
    expect(() => proxy.set(fault as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', option }))
  })

  it.each(['redis://192.0.2.1:6379', 'redis+cluster://127.0.0.1:6379', 'redis+unix:///tmp/x.sock'])(
    'refuses to stand before %s',
    async (target) => {
      await expect(startFaultProxy({ target })).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'target' })
    },
  )
})

describe('before a Redis with a password and a database', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startTestRedis({ password: 'pw:with@signs' })
  })
  afterAll(() => redis.close())

  it('its URL signs in and selects as the target’s does', async () => {
    const before = await startFaultProxy({ target: `${redis.url}/3` })
    const client = new Redis(before.url)
    await client.set('through', '1')
    expect(await redis.cli('-n', '3', 'GET', 'through')).toBe('1')
    client.disconnect()
    await before.close()
  })
})
