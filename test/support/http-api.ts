// An HTTP API over the Redis of one test file, in an Express application of its own; every answer is held to the OpenAPI
// document that the API gives.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import express from 'express'
import { afterAll, beforeAll, expect } from 'vitest'
import { z } from 'zod'
import type { AnyJobContract } from '../../src/job/index.js'
import { defineJob } from '../../src/job/index.js'
import { createHttpApi, createToken, type HttpApiOptions, type NewToken } from '../../src/producer/http/index.js'
import { createReaderClient, parseRedisUrl, type RedisClient } from '../../src/redis/index.js'
import { type Answer, type Ask, ask } from './dashboard-http.js'
import { startTestRedis, type TestRedis } from './redis.js'

export const greet = defineJob({
  name: 'greet',
  queue: 'greetings',
  input: z.object({ name: z.string().min(1).max(100) }).strict(),
  output: z.object({ text: z.string() }),
})
export const mail = defineJob({
  name: 'mail.send',
  queue: 'mail',
  input: z.object({ to: z.string(), body: z.string().optional() }),
  attempts: 1,
})
/** Of the queue of `greet`, and with a result cache. */
export const lookUp = defineJob({
  name: 'look-up',
  queue: 'greetings',
  input: z.object({ name: z.string() }),
  cache: { ttl: '1h', key: ({ name }) => name },
})
export const CONTRACTS: readonly AnyJobContract[] = [greet, mail, lookUp]

/** What an application answers for a path that is not of the API. */
const NOT_OURS = 418

export interface TestApi {
  readonly url: string
  /** Asks with this token, and holds the answer to the document. `path` is as it is sent. */
  ask(path: string, options?: Ask & { readonly token?: string | undefined }): Promise<Answer>
  /** Asks with a token that may do all, and gives the body of an answer of this status. */
  get<Shape = Record<string, unknown>>(path: string, status?: number): Promise<Shape>
  post(path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  close(): Promise<void>
}

export interface TestApis {
  readonly redis: () => TestRedis
  readonly client: () => RedisClient
  start(options?: Partial<HttpApiOptions>, place?: TestPlace): Promise<TestApi>
  token(given?: Partial<NewToken>): Promise<string>
}

export interface TestPlace {
  /** Where the router is mounted. */
  readonly at?: string
  readonly trustProxy?: number
}

/** Call it once at the top of a test file. */
export function useHttpApis(): TestApis {
  const open: TestApi[] = []
  let redis: TestRedis
  let client: RedisClient
  beforeAll(async () => {
    redis = await startTestRedis()
    client = createReaderClient(parseRedisUrl(redis.url), { timeoutMs: 60_000 })
    await once(client, 'ready')
  })
  afterAll(async () => {
    for (const api of open) await api.close()
    client.disconnect()
    await redis.close()
  })
  const token = async (given: Partial<NewToken> = {}) =>
    (await createToken(client, 'drover', { name: 'test', scopes: ['admin'], ...given })).token
  return {
    redis: () => redis,
    client: () => client,
    token,
    start: async (options = {}, place = {}) => {
      const own = await token()
      const given = { contracts: CONTRACTS, redis: redis.url, allowVolatile: true, timeout: '60s', ...options } as const
      const api = await startApi(given, place, own)
      open.push(api)
      return api
    },
  }
}

/** An API over another Redis, for a test that ends it. */
export async function createHandled(
  options: Partial<HttpApiOptions>,
  settings: Parameters<typeof createReaderClient>[0],
): Promise<{ readonly api: TestApi; close(): Promise<void> }> {
  const client = createReaderClient(settings)
  await once(client, 'ready')
  const { token } = await createToken(client, 'drover', { name: 'test', scopes: ['admin'] })
  const api = await startApi({ contracts: CONTRACTS, allowVolatile: true, ...options }, {}, token)
  return {
    api,
    close: async () => {
      await api.close()
      client.disconnect()
    },
  }
}

async function startApi(options: HttpApiOptions, place: TestPlace, own: string): Promise<TestApi> {
  const api = createHttpApi(options)
  const app = express()
  if (place.trustProxy !== undefined) app.set('trust proxy', place.trustProxy)
  app.use(place.at ?? '/', api.router)
  app.use((_request, response) => {
    response.status(NOT_OURS).send('not of the API')
  })
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const base = place.at ?? ''
  let judge: Judge | undefined
  let closed = false
  const send: TestApi['ask'] = async (path, { token = own, headers = {}, ...rest } = {}) => {
    const sent = { ...(token === '' ? {} : { authorization: `Bearer ${token}` }), ...headers }
    const answer = await ask(url, base + path, { ...rest, headers: sent })
    judge ??= createJudge(await ask(url, `${base}/openapi.json`, { headers: { authorization: `Bearer ${own}` } }))
    judge(rest.method ?? 'GET', path, answer)
    return answer
  }
  return {
    url,
    ask: send,
    get: async (path, status = 200) => {
      const answer = await send(path)
      expect(answer.status, answer.text).toBe(status)
      return answer.json()
    },
    post: (path, body, headers = {}) =>
      send(path, {
        method: 'POST',
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    close: async () => {
      if (closed) return
      closed = true
      await api.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

type Judge = (method: string, path: string, answer: Answer) => void

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Responses }>>>>
}
type Responses = Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>>

/** Compares an answer with what the document says of its path, method and status: content type and schema. */
export function createJudge(answer: Answer): Judge {
  if (answer.status !== 200) return () => undefined
  const document = answer.json<Document>()
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ;(addFormats as unknown as (ajv: Ajv2020) => void)(ajv)
  ajv.addSchema(document, 'document')
  return (method, path, { status, headers, text }) => {
    if (status === NOT_OURS) return
    const pathname = path.split('?', 1)[0] ?? ''
    const [place] = Object.keys(document.paths).filter((known) => matches(known, pathname))
    const operation = document.paths[place ?? '']?.[method === 'HEAD' ? 'get' : method.toLowerCase()]
    const told = operation?.responses[String(status)] ?? (status >= 400 ? PROBLEM : operation?.responses.default)
    if (told === undefined) return
    const content = told.content
    if (content === undefined || method === 'HEAD') return expect(text).toBe('')
    const [[type, { schema }] = ['', { schema: {} }]] = Object.entries(content)
    expect(headers['content-type'], `${method} ${path} ${status}`).toBe(type)
    if (type === 'text/event-stream') return
    const values = type === 'application/x-ndjson' ? text.trimEnd().split('\n') : [text]
    const { $ref } = schema as { $ref: string }
    const validate = ajv.getSchema(`document${$ref}`)
    for (const value of values) {
      const isValid = validate?.(JSON.parse(value))
      expect(isValid, `${method} ${path} ${status}: ${ajv.errorsText(validate?.errors)} in ${value}`).toBe(true)
    }
  }
}

const PROBLEM: Responses[string] = {
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

function matches(known: string, pathname: string): boolean {
  const pattern = known.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${pattern}$`).test(pathname)
}
