// Idempotency keys of several producers at once, with inputs that are equal, written in another order, or different:
// each key is one job, of the input that came first.
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { canonicalJson, defineJob, type JsonValue } from '../../src/job/index.js'
import { createProducer, type JobHandle, type Producer } from '../../src/producer/index.js'
import { queueKeys } from '../../src/redis/index.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { report, runsOf, settings } from './runs.js'

const RUNS = 200
const jobs = ['pay', 'refund'].map((name) => defineJob({ name, queue: 'money', input: anything }))
const { bullBase } = queueKeys('drover', 'money')
let server: TestRedis
let client: Redis
let producers: Producer[]

beforeAll(async () => {
  server = await startTestRedis()
  client = new Redis(server.url)
  producers = [1, 2, 3].map(() => createProducer({ redis: server.url, timeout: '60s' }))
})
afterAll(async () => {
  await Promise.all((producers ?? []).map((producer) => producer.close()))
  client?.disconnect()
  await server?.close()
})

it('keys that several producers use at once are one job each, and every other input is a conflict', async () => {
  const sent = fc.record({
    // Keys and job names that would collide if they were put together carelessly.
    key: fc.constantFrom('a', 'A', 'a:b', 'b', 'pay:a', 'key', 'a/b=+@-_.'),
    job: fc.nat({ max: 1 }),
    by: fc.nat({ max: 2 }),
    input: fc.constantFrom<JsonValue>(
      { n: 1, m: [{ b: 1, a: 2 }] },
      { m: [{ a: 2, b: 1 }], n: 1 },
      { n: 1 },
      '1',
      1,
      null,
      [1],
    ),
    order: fc.constantFrom({}, {}, { priority: 3 }, { delay: '1h' } as const),
  })
  const counts = { sent: 0, jobs: 0, conflicts: 0 }
  const property = fc.asyncProperty(fc.array(sent, { minLength: 1, maxLength: 24 }), async (all) => {
    await client.flushdb()
    const outcomes = await Promise.all(
      all.map(async ({ key, job, by, input, order }) => {
        const call = (producers[by] as Producer).enqueue(jobs[job] as (typeof jobs)[number], input, { key, ...order })
        const reply: JobHandle | { readonly code: string; readonly jobId: string } = await call.catch((error) => error)
        return { name: `${job} ${key}`, text: canonicalJson(JSON.stringify(input)), reply }
      }),
    )
    for (const name of new Set(outcomes.map((outcome) => outcome.name))) {
      const same = outcomes.filter((outcome) => outcome.name === name)
      const handles = same.flatMap(({ reply, text }) => ('id' in reply ? [{ ...reply, text }] : []))
      const conflicts = same.flatMap(({ reply, text }) => ('code' in reply ? [{ ...reply, text }] : []))
      expect(handles.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1)
      expect(new Set(handles.map(({ id }) => id)).size).toBe(1)
      expect(new Set(handles.map(({ text }) => text)).size).toBe(1)
      const [{ id = '', text = '' } = {}] = handles
      expect(canonicalJson((await client.hget(bullBase + id, 'data')) ?? '')).toBe(text)
      for (const conflict of conflicts) {
        expect(conflict).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', jobId: id })
        expect(conflict.text).not.toBe(text)
      }
      counts.conflicts += conflicts.length
      counts.jobs++
    }
    counts.sent += all.length
  })
  await fc.assert(property, settings(RUNS))
  report('idempotency keys', { runs: runsOf(RUNS), ...counts })
})

it('texts of JSON values are equal in canonical form exactly where the values are', () => {
  const json = fc.jsonValue({ maxDepth: 4 })
  const property = fc.property(json, json, (a, b) => {
    const [one, other] = [canonicalJson(JSON.stringify(a)), canonicalJson(JSON.stringify(b))]
    expect(JSON.parse(one)).toEqual(JSON.parse(JSON.stringify(a)))
    expect(canonicalJson(one)).toBe(one)
    expect(canonicalJson(JSON.stringify(reversed(a)))).toBe(one)
    let isSame = true
    try {
      expect(JSON.parse(JSON.stringify(a))).toStrictEqual(JSON.parse(JSON.stringify(b)))
    } catch {
      isSame = false
    }
    expect(one === other).toBe(isSame)
  })
  fc.assert(property, settings(2_000))
})

/** The value with the keys of its objects in the opposite order. */
function reversed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  )
}
