// Whatever is wrong with a request to the HTTP API: the right status, a stable code, nothing of a parser, nothing half done.
import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Refusal } from '../../src/producer/http/problem.js'
import { readJson } from '../../src/producer/http/read-body.js'
import { type TestApi, useHttpApis } from '../support/http-api.js'

const apis = useHttpApis()
const JSON_TYPE = { 'content-type': 'application/json' }
const GREETING = '{"job":"greet","input":{"name":"Ada"},"options":{"delay":"1h"}}'

async function post(api: TestApi, body: string | Buffer, headers: Readonly<Record<string, string>> = JSON_TYPE) {
  return api.ask('/v1/jobs', { method: 'POST', headers, body: body as string })
}

async function keyCount(): Promise<number> {
  return Number(await apis.redis().cli('DBSIZE'))
}

describe('a body', () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
  const greet = (input: string) => `{"job":"greet","input":${input}}`
  const withOptions = (options: string) => `{"job":"greet","input":{"name":"Ada"},"options":${options}}`
  const rows: readonly [string, string | Buffer, number, string][] = [
    ['that is empty', '', 400, 'INVALID_JSON'],
    ['that is no JSON', '{"job":"greet",', 400, 'INVALID_JSON'],
    ['with bytes after its end', `${GREETING} x`, 400, 'INVALID_JSON'],
    ['with a byte order mark', `\ufeff${GREETING}`, 400, 'INVALID_JSON'],
    ['that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 400, 'INVALID_JSON'],
    ['in UTF-16', Buffer.from(GREETING, 'utf16le'), 400, 'INVALID_JSON'],
    ['with a name twice', '{"job":"greet","job":"mail.send","input":{}}', 400, 'INVALID_JSON'],
    ['with a name twice inside', greet('{"name":"Ada","n\\u0061me":"Eve"}'), 400, 'INVALID_JSON'],
    ['with a __proto__ key', greet('{"name":"Ada","__proto__":{"admin":true}}'), 400, 'INVALID_JSON'],
    ['with an escaped __proto__ key', greet('{"\\u005f_proto__":1}'), 400, 'INVALID_JSON'],
    ['with a lone surrogate', greet('{"name":"\\ud800"}'), 422, 'NOT_JSON'],
    ['that nests 100,000 deep', deep(50_000), 422, 'INVALID_OPTION'],
    ['whose input nests 65 deep', `{"job":"mail.send","input":{"to":"x","body":"y","z":${deep(65)}}}`, 422, 'NOT_JSON'],
    ['that is null', 'null', 422, 'INVALID_OPTION'],
    ['that is a list', `[${GREETING}]`, 422, 'INVALID_OPTION'],
    ['that is text', '"greet"', 422, 'INVALID_OPTION'],
    ['without a job', '{"input":{"name":"Ada"}}', 422, 'INVALID_OPTION'],
    ['with a job of another type', '{"job":7,"input":{}}', 422, 'INVALID_OPTION'],
    ['without an input', '{"job":"greet"}', 422, 'INVALID_OPTION'],
    ['with an unknown job', '{"job":"gret","input":{}}', 422, 'UNKNOWN_JOB'],
    ['with a job of a name that objects have', '{"job":"constructor","input":{}}', 422, 'UNKNOWN_JOB'],
    ['with a job in another queue', '{"job":"greet","queue":"mail","input":{"name":"Ada"}}', 422, 'INVALID_OPTION'],
    ['with an unknown field', '{"job":"greet","inputs":{},"input":{"name":"Ada"}}', 422, 'UNKNOWN_OPTION'],
    ['with an input of another type', greet('"Ada"'), 422, 'INVALID_INPUT'],
    ['with an input that lacks a field', greet('{}'), 422, 'INVALID_INPUT'],
    ['with an input that has a field too many', greet('{"name":"Ada","x":1}'), 422, 'INVALID_INPUT'],
    ['with an input that is too long', greet(`{"name":"${'a'.repeat(101)}"}`), 422, 'INVALID_INPUT'],
    ['with an input over its limit', greet(`{"name":"${'a'.repeat(262_200)}"}`), 413, 'TOO_LARGE'],
    ['with options of another type', withOptions('[]'), 422, 'INVALID_OPTION'],
    ['with options null', withOptions('null'), 422, 'INVALID_OPTION'],
    ['with an unknown option', withOptions('{"delya":"1h"}'), 422, 'UNKNOWN_OPTION'],
    ['with a negative delay', withOptions('{"delay":-5}'), 422, 'INVALID_OPTION'],
    ['with a delay without a unit', withOptions('{"delay":"5"}'), 422, 'INVALID_OPTION'],
    ['with a delay of ages', withOptions('{"delay":1e15}'), 422, 'INVALID_OPTION'],
    ['with a time in the past', withOptions('{"at":"2001-01-01T00:00:00Z"}'), 422, 'INVALID_OPTION'],
    ['with a broken priority', withOptions('{"priority":1.5}'), 422, 'INVALID_OPTION'],
    ['with too many attempts', withOptions('{"attempts":1001}'), 422, 'INVALID_OPTION'],
    ['with an id of other characters', withOptions('{"id":"a:b"}'), 422, 'INVALID_JOB_ID'],
    ['with an id of BullMQ', withOptions('{"id":"meta"}'), 422, 'INVALID_JOB_ID'],
    ['with an id of 1 MB', withOptions(`{"id":"${'a'.repeat(200_000)}"}`), 422, 'INVALID_JOB_ID'],
    ['with an empty key', withOptions('{"key":""}'), 422, 'INVALID_OPTION'],
    ['with a function in words', withOptions('{"unique":{"by":{"apply":1}}}'), 422, 'INVALID_OPTION'],
  ]

  it.each(rows)('%s is refused, and nothing is enqueued', async (_title, body, status, code) => {
    const api = await apis.start()
    const before = await keyCount()
    const answer = await post(api, body)
    expect(answer.json()).toMatchObject({ status, code })
    expect(answer.status).toBe(status)
    expect(answer.text).not.toMatch(/Unexpected|SyntaxError|position| {4}at |node_modules/)
    expect(answer.text.length).toBeLessThan(10_000)
    expect(await keyCount()).toBe(before)
    expect(({} as { admin?: unknown }).admin).toBeUndefined()
  })

  it('that is wrong in 1,000 places is answered with the first 20', async () => {
    const api = await apis.start()
    const fields = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`f${at}`, at]))
    const answer = await post(api, JSON.stringify({ job: 'mail.send', input: { to: 5, body: [], ...fields } }))
    expect(answer.json<{ issues: unknown[] }>().issues.length).toBeLessThanOrEqual(20)
  })

  it('of another type, charset or compression is 415', async () => {
    const api = await apis.start()
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=latin1',
      'multipart/form-data',
      '',
    ]
    for (const type of types) {
      const answer = await post(api, GREETING, type === '' ? {} : { 'content-type': type })
      expect(answer.json(), type).toMatchObject({ status: 415, code: 'CONTENT_TYPE' })
    }
    const zipped = await post(api, GREETING, { ...JSON_TYPE, 'content-encoding': 'gzip' })
    expect(zipped.json()).toMatchObject({ status: 415, code: 'CONTENT_TYPE' })
    expect((await post(api, GREETING, { 'content-type': 'Application/JSON; charset="UTF-8"' })).status).toBe(201)
  })

  it('of 10 MB is refused before it is read, announced or not, and the connection ends', async () => {
    const api = await apis.start()
    const body = `{"job":"greet","input":{"name":"${'a'.repeat(10_000_000)}"}}`
    const token = await apis.token()
    const { hostname, port } = new URL(api.url)
    const head = `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n`
    const ways = [
      `${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 1_000)}`,
      `${head}Transfer-Encoding: chunked\r\n\r\n${Array(12)
        .fill(`186a0\r\n${'a'.repeat(100_000)}\r\n`)
        .join('')}`,
    ]
    for (const way of ways) {
      const socket = connect({ host: hostname, port: Number(port) })
      let text = ''
      socket.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      // The rest is not read: a write into the ended connection fails.
      socket.on('error', () => undefined)
      socket.write(way)
      await new Promise((resolve) => socket.once('close', resolve))
      expect(text).toMatch(/^HTTP\/1\.1 413 .*\r\n/)
      expect(text).toContain('Connection: close')
      expect(text).toContain('"code":"BODY_TOO_LARGE"')
    }
  })

  it('with both lengths, as smugglers send, is refused', async () => {
    const api = await apis.start()
    const { hostname, port } = new URL(api.url)
    const socket = connect({ host: hostname, port: Number(port) })
    socket.write(
      'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    )
    const [piece] = (await once(socket, 'data')) as [Buffer]
    expect(piece.toString()).toMatch(/^HTTP\/1\.1 400 /)
    socket.destroy()
  })

  it('that ends early enqueues nothing, and the server goes on', async () => {
    const api = await apis.start()
    const before = await keyCount()
    const { hostname, port } = new URL(api.url)
    const token = await apis.token()
    const socket = connect({ host: hostname, port: Number(port) })
    const head = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n`
    socket.write(`POST /v1/jobs HTTP/1.1\r\nHost: x\r\n${head}\r\n${GREETING}`)
    socket.resume().end()
    await once(socket, 'close')
    expect((await api.ask('/v1/queues')).status).toBe(200)
    // The token's own hash may be new.
    expect(await keyCount()).toBeLessThanOrEqual(before + 1)
  })
})

describe('a header', () => {
  it.each(['', ' ', 'a b', 'ä', '"quoted"', 'a'.repeat(257)])('Idempotency-Key %j is 400', async (key) => {
    const api = await apis.start()
    const headers = { ...JSON_TYPE, 'idempotency-key': Buffer.from(key).toString('latin1') }
    expect((await post(api, GREETING, headers)).json()).toMatchObject({ status: 400, code: 'INVALID_IDEMPOTENCY_KEY' })
  })

  it('Idempotency-Key and another key in the options are refused', async () => {
    const api = await apis.start()
    const body = '{"job":"greet","input":{"name":"Ada"},"options":{"key":"one"}}'
    const answer = await post(api, body, { ...JSON_TYPE, 'idempotency-key': 'two' })
    expect(answer.json()).toMatchObject({ status: 422, code: 'INVALID_OPTION', option: 'key' })
    expect((await post(api, body, { ...JSON_TYPE, 'idempotency-key': 'one' })).status).toBe(201)
  })

  it.each(['wait', 'wait=', 'wait=-1', 'wait=1.5', 'wait=abc', 'wait=1e9'])('Prefer: %s is 422', async (prefer) => {
    const api = await apis.start()
    const answer = await post(api, GREETING, { ...JSON_TYPE, prefer })
    expect(answer.json()).toMatchObject({ status: 422, code: 'INVALID_OPTION' })
  })

  it('Prefer with other preferences is taken, and Last-Event-ID of another form is not', async () => {
    const api = await apis.start()
    expect((await post(api, GREETING, { ...JSON_TYPE, prefer: 'return=minimal, handling=lenient' })).status).toBe(201)
    for (const id of ['x', '1', '1-1-1', '-1', '9'.repeat(99)]) {
      const answer = await api.ask('/v1/queues/greetings/events', { headers: { 'last-event-id': id } })
      expect(answer.json(), id).toMatchObject({ status: 422, code: 'INVALID_OPTION' })
    }
  })
})

describe('a query', () => {
  it.each([
    ['/v1/queues?limit=0', 'INVALID_OPTION'],
    ['/v1/queues?limit=501', 'INVALID_OPTION'],
    ['/v1/queues?limit=1e3', 'INVALID_OPTION'],
    ['/v1/queues?limit=1&limit=2', 'INVALID_OPTION'],
    ['/v1/queues?limti=1', 'UNKNOWN_OPTION'],
    ['/v1/queues?__proto__=1', 'UNKNOWN_OPTION'],
    ['/v1/queues?cursor=%00', 'INVALID_OPTION'],
    [`/v1/queues?cursor=${'a'.repeat(500)}`, 'INVALID_OPTION'],
    ['/v1/queues/greetings/jobs', 'INVALID_OPTION'],
    ['/v1/queues/greetings/jobs?state=toString', 'INVALID_OPTION'],
    ['/v1/queues/greetings/jobs?state=failed&cursor=abc', 'INVALID_OPTION'],
    ['/v1/queues/greetings/counters/seen/history?by=week', 'INVALID_OPTION'],
    ['/v1/queues/greetings/counters/seen/history?since=yesterday', 'INVALID_OPTION'],
    ['/v1/queues/greetings/counters/a%20b', 'INVALID_COUNTER_NAME'],
    ['/v1/queues/greetings/counters/%E2%82%AC', 'INVALID_COUNTER_NAME'],
    ['/v1/queues/result', 'INVALID_QUEUE_NAME'],
  ])('%s is refused with %s', async (path, code) => {
    const api = await apis.start()
    await post(api, GREETING)
    const answer = await api.ask(path)
    expect(answer.json()).toMatchObject({ status: 422, code })
  })

  it.each(['{}', '{"by":"1"}', '{"by":1.5}', '{"by":1e300}', '{"by":1,"name":"x"}', '[1]', '1', '{"by":null}'])(
    'a counter is not changed by %s',
    async (body) => {
      const api = await apis.start()
      await post(api, GREETING)
      const answer = await api.post('/v1/queues/greetings/counters/seen/incr', body)
      expect(answer.status).toBe(422)
      expect(await api.get('/v1/queues/greetings/counters/seen')).toMatchObject({ value: 0 })
    },
  )
})

describe('the reader of JSON', () => {
  it('gives what JSON.parse gives, for all that JSON can say', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat({ max: 3 }), (value, indent) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'))
        const text = JSON.stringify(value, null, indent)
        expect(readJson(Buffer.from(text), 'It')).toEqual(JSON.parse(text))
      }),
      { numRuns: 1_000 },
    )
  })

  it('refuses any object with a name twice, wherever it is and however it is written', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__')
    fc.assert(
      fc.property(name, fc.jsonValue(), fc.jsonValue(), fc.nat({ max: 5 }), (key, one, other, depth) => {
        fc.pre(!JSON.stringify([one, other]).includes('__proto__'))
        const twice = `{${JSON.stringify(key)}:${JSON.stringify(one)}, ${JSON.stringify(key)} : ${JSON.stringify(other)}}`
        const text = `${'{"a":['.repeat(depth)}${twice}${']}'.repeat(depth)}`
        expect(() => readJson(Buffer.from(text), 'It')).toThrow(/a name twice/)
      }),
      { numRuns: 1_000 },
    )
  })

  it('answers any bytes with a value or a refusal, never with another error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          readJson(Buffer.from(bytes), 'It')
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
