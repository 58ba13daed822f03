// Every field of every body that the HTTP API takes, with every kind of wrong value. What the OpenAPI document says is wrong
// must be refused with a problem and a stable code, and leave Redis as it was; nothing at all may be a 500.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROUTES } from '../../src/producer/http/routes.js'
import { differences, dumpDb } from '../support/dump-db.js'
import { type TestApi, useHttpApis } from '../support/http-api.js'

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }
type Place = readonly (string | number)[]

const apis = useHttpApis()
const ADA = { name: 'Ada' }
/** A good request for each operation with a body. */
const GOOD: Readonly<Record<string, readonly [path: string, body: Json]>> = {
  enqueueJob: [
    '/jobs',
    { job: 'greet', queue: 'greetings', input: ADA, options: { delay: '1h', tags: ['a'], priority: 2 } },
  ],
  cancelJobs: ['/queues/mail/cancel', { job: 'mail.send', states: ['delayed'], dryRun: true }],
  tellWorker: ['/workers/nobody/concurrency', { queue: 'mail', jobs: 2 }],
  incrCounter: ['/queues/mail/counters/n/incr', { by: 0 }],
  setSchedule: [
    '/queues/greetings/schedules/nightly',
    {
      job: 'greet',
      input: ADA,
      cron: '0 2 * * *',
      timezone: 'UTC',
      missed: 'all',
      missedLimit: 3,
      overlap: 'skip',
      attempts: 2,
    },
  ],
  openBatch: [
    '/queues/greetings/batches',
    {
      id: 'b',
      onSuccess: { job: 'mail.send', queue: 'mail', input: { to: 'x' } },
      jobs: [{ job: 'greet', input: ADA }],
    },
  ],
  closeBatch: ['/queues/greetings/batches/none/close', { total: 3 }],
  startFlow: [
    '/flows',
    {
      id: 'f',
      jobs: {
        a: { job: 'greet', input: ADA },
        b: { job: 'mail.send', input: { to: 'x' }, after: ['a'], options: { attempts: 2 } },
      },
    },
  ],
  invalidateCache: ['/queues/greetings/cache/look-up/invalidate', { key: 'Ada' }],
  retryErrors: ['/queues/mail/replays', { job: 'mail.send', stages: [1, 'rest'], wait: '1s', dryRun: true }],
  setLimits: ['/queues/mail/limits', { concurrency: 5, rate: { limit: 10, window: '1s' } }],
  discardErrors: ['/queues/mail/discards', { ids: ['x'], undo: '1d', dryRun: true }],
}
const WRONG: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  '',
  ' ',
  'x',
  '☃'.repeat(300),
  'x'.repeat(70_000),
  '\u0000',
  '__proto__',
  'constructor',
  [],
  [null],
  [[]],
  {},
  { x: 1 },
]

/** All places of the value and of what is in it. */
function places(value: Json, at: Place = []): Place[] {
  const inside = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return [
    at,
    ...inside.flatMap(([name, each]) => places(each as Json, [...at, Array.isArray(value) ? Number(name) : name])),
  ]
}

/** A copy with this value there, or without what is there. */
function changed(value: Json, [name, ...rest]: Place, put: Json | undefined): Json {
  if (name === undefined) return put ?? null
  if (Array.isArray(value)) {
    return value.flatMap((each, at) =>
      at !== name ? [each] : rest.length === 0 && put === undefined ? [] : [changed(each, rest, put)],
    )
  }
  const entries = Object.entries(value as object).flatMap(([key, each]): [string, Json][] => {
    if (key !== name) return [[key, each as Json]]
    return rest.length === 0 && put === undefined ? [] : [[key, changed(each as Json, rest, put)]]
  })
  return Object.fromEntries(entries)
}

/** The body with each wrong value in each place, without each field, and with a field too many in each object. */
function mutants(body: Json): string[] {
  const bodies = places(body).flatMap((place) => [
    ...WRONG.map((wrong) => changed(body, place, wrong)),
    ...(place.length === 0 ? [] : [changed(body, place, undefined)]),
  ])
  const texts = bodies.map((each) => JSON.stringify(each))
  const whole = JSON.stringify(body)
  const objects = [...whole.matchAll(/\{/g)].map(({ index }) => index)
  const more = objects.flatMap((at) =>
    ['"zzz":1,', '"__proto__":{"a":1},'].map((field) => whole.slice(0, at + 1) + field + whole.slice(at + 1)),
  )
  return [...new Set([...texts, ...more])]
}

let api: TestApi
let redis: Redis
const schemas = new Map<string, ValidateFunction>()

beforeAll(async () => {
  redis = new Redis(apis.redis().url)
  api = await apis.start({ rateLimit: false })
  const document = await api.get<{
    paths: Record<string, Record<string, { operationId: string; requestBody?: Body }>>
  }>('/openapi.json')
  const ajv = new Ajv2020({ strict: false })
  ;(addFormats as unknown as (ajv: Ajv2020) => void)(ajv)
  ajv.addSchema(document, 'document')
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    const reference = operation.requestBody?.content['application/json']?.schema.$ref
    if (reference !== undefined)
      schemas.set(operation.operationId, ajv.getSchema(`document${reference}`) as ValidateFunction)
  }
})
afterAll(() => redis?.disconnect())

interface Body {
  readonly content: Readonly<Record<string, { readonly schema: { readonly $ref: string } }>>
}

it('there is a good request for each operation with a body', () => {
  const named = ROUTES.filter(({ body }) => body !== undefined && body !== 'BulkRequest').map(
    ({ operationId }) => operationId,
  )
  expect(Object.keys(GOOD).sort()).toEqual(named.sort())
})

describe.each(Object.entries(GOOD))('the body of %s', (operationId, [path, body]) => {
  const method = ROUTES.find((route) => route.operationId === operationId)?.method.toUpperCase() ?? ''
  const send = (text: string) =>
    api.ask(`/v1${path}`, { method, body: text, headers: { 'content-type': 'application/json' } })

  it('is refused wherever the document says that it is wrong, and changes nothing', async () => {
    const isGood = (text: string) => schemas.get(operationId)?.(JSON.parse(text)) === true
    expect(isGood(JSON.stringify(body))).toBe(true)
    const [good, bad] = [mutants(body).filter(isGood), mutants(body).filter((text) => !isGood(text))]
    expect(bad.length).toBeGreaterThan(20)
    const before = await dumpDb(redis)
    const wrong: string[] = []
    for (const text of bad) {
      const { status, text: said, json } = await send(text)
      const isRefused = status >= 400 && status < 500 && /^[A-Z][A-Z0-9_]+$/.test(json<{ code: string }>().code)
      const isClean = said.length < 5_000 && !/WRONGTYPE|ERR |Unexpected|SyntaxError|node_modules/.test(said)
      if (!isRefused || !isClean) wrong.push(`${text.slice(0, 300)} -> ${status} ${said.slice(0, 300)}`)
    }
    expect(wrong).toEqual([])
    expect(differences(before, await dumpDb(redis))).toEqual({})
    for (const text of good) expect((await send(text)).status, text.slice(0, 300)).toBeLessThan(500)
    expect(({} as { a?: unknown }).a).toBeUndefined()
  })
})
