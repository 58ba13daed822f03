// POST /v1/jobs/bulk: each line accepted or refused by itself, while the request still arrives.

import { once } from 'node:events'
import { request as startRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { type TestApi, useHttpApis } from '../support/http-api.js'

const apis = useHttpApis()
const NDJSON = { 'content-type': 'application/x-ndjson' }
const line = (name: string, options: object = {}) => JSON.stringify({ job: 'greet', input: { name }, options })

interface BulkLine {
  readonly line?: number
  readonly status?: number
  readonly id?: string
  readonly code?: string
  readonly summary?: {
    readonly lines: number
    readonly accepted: number
    readonly refused: number
    readonly complete: boolean
  }
}

const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((each) => JSON.parse(each) as BulkLine)

async function bulk(api: TestApi, body: string | Buffer) {
  const answer = await api.ask('/v1/jobs/bulk', { method: 'POST', headers: NDJSON, body: body as string })
  return { answer, lines: answer.status === 207 ? linesOf(answer.text) : [] }
}

async function waiting(): Promise<number> {
  return Number(await apis.redis().cli('LLEN', '{drover:greetings}:greetings:wait'))
}

describe('a bulk', () => {
  it('of 1,000 lines with a bad one enqueues the 999, in their order, and says which was bad and why', async () => {
    const api = await apis.start()
    const before = await waiting()
    const all = Array.from({ length: 1_000 }, (_, at) => line(at === 499 ? '' : `n${at}`))
    const { answer, lines } = await bulk(api, all.join('\n'))
    expect(answer.status).toBe(207)
    expect(lines.slice(0, -1).map((each) => each.line)).toEqual(all.map((_, at) => at + 1))
    expect(lines[499]).toMatchObject({ line: 500, status: 422, code: 'INVALID_INPUT', issues: [{ path: '$.name' }] })
    expect(lines.at(-1)).toEqual({ summary: { lines: 1_000, accepted: 999, refused: 1, complete: true } })
    expect(await waiting()).toBe(before + 999)
    const [newest] = (await apis.redis().cli('LRANGE', '{drover:greetings}:greetings:wait', '0', '0')).split('\n')
    expect(lines.at(-2)?.id).toBe(newest)
  })

  it('tells each bad line apart: encoding, JSON, names, sizes, options', async () => {
    const api = await apis.start()
    const body = Buffer.concat([
      Buffer.from(`${line('Ada')}\r\n\n   `),
      Buffer.from('\n{"job":"greet"\n'),
      Buffer.from([0xff, 0x0a]),
      Buffer.from('{"job":"greet","job":"greet","input":{}}\n{"job":"gret","input":{}}\n'),
      Buffer.from(`{"job":"greet","input":{"name":"${'a'.repeat(400_000)}"}}\n`),
      Buffer.from(`${line('Ada', { delay: '1 century' })}\n${line('Grace')}`),
    ])
    const { lines } = await bulk(api, body)
    expect(lines.map(({ line: number, status, code }) => [number, status, code])).toEqual([
      [1, 201, undefined],
      [3, 400, 'INVALID_JSON'],
      [4, 400, 'INVALID_JSON'],
      [5, 400, 'INVALID_JSON'],
      [6, 400, 'INVALID_JSON'],
      [7, 422, 'UNKNOWN_JOB'],
      [8, 413, 'BODY_TOO_LARGE'],
      [9, 422, 'INVALID_OPTION'],
      [10, 201, undefined],
      [undefined, undefined, undefined],
    ])
  })

  it('may be sent again: lines with keys give the jobs of the first time', async () => {
    const api = await apis.start()
    const body = ['a', 'b', 'c'].map((name) => line(name, { key: `again-${name}`, delay: '1h' })).join('\n')
    const first = await bulk(api, body)
    const again = await bulk(api, body)
    expect(first.lines.slice(0, 3).map(({ status }) => status)).toEqual([201, 201, 201])
    expect(again.lines.slice(0, 3).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(again.lines.slice(0, 3).map(({ id }) => id)).toEqual(first.lines.slice(0, 3).map(({ id }) => id))
  })

  it('without a line is refused, also when it holds line breaks', async () => {
    const api = await apis.start()
    for (const body of ['', '\n\r\n\n']) {
      expect((await bulk(api, body)).answer.json()).toMatchObject({ status: 422, code: 'EMPTY_BULK' })
    }
    const typed = await api.ask('/v1/jobs/bulk', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '[]',
    })
    expect(typed.json()).toMatchObject({ status: 415, code: 'CONTENT_TYPE' })
  })

  it('that is larger than allowed ends with a summary that says so, what came before is enqueued', async () => {
    const api = await apis.start({ maxBulkBytes: 5_000 })
    const small = Array.from({ length: 20 }, (_, at) => line(`n${at}`)).join('\n')
    const announced = await bulk(api, small.repeat(10))
    expect(announced.answer.json()).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' })
    const before = await waiting()
    const { sent, answer } = await open(api)
    sent.write(`${small}\n`)
    const response = await answer
    let text = ''
    response.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    await expect.poll(() => text.split('\n').length).toBe(21)
    sent.on('error', () => undefined)
    sent.write(`${line('x'.repeat(90))}\n`.repeat(100))
    await once(response, 'end')
    const lines = linesOf(text)
    const { summary } = lines.at(-1) ?? {}
    expect(summary).toMatchObject({ complete: false, problem: { code: 'BODY_TOO_LARGE' } })
    expect(summary?.accepted).toBe(lines.length - 1)
    expect(await waiting()).toBe(before + lines.length - 1)
  })

  it('that breaks off enqueues the lines that came whole', async () => {
    const api = await apis.start()
    const before = await waiting()
    const { sent, answer } = await open(api)
    sent.write(`${line('one')}\n${line('two')}\n{"job":"gre`)
    await once(await answer, 'data')
    await expect.poll(waiting).toBe(before + 2)
    sent.on('error', () => undefined)
    ;(await answer).on('error', () => undefined)
    sent.destroy()
    expect((await api.ask('/v1/queues')).status).toBe(200)
    expect(await waiting()).toBe(before + 2)
  })

  async function open(api: TestApi) {
    const { hostname, port } = new URL(api.url)
    const headers = { ...NDJSON, authorization: `Bearer ${await apis.token()}` }
    const sent = startRequest({ hostname, port, path: '/v1/jobs/bulk', method: 'POST', headers, agent: false })
    const answer = once(sent, 'response').then(([response]) => response as import('node:http').IncomingMessage)
    return { sent, answer }
  }
})
