// Compiled by `tsc -p tsconfig.json`, never run: a line after `@ts-expect-error` that compiles is an error, and so is
// an `Equal` that does not hold.
import { z } from 'zod'
import {
  defineJob,
  type JobHandle,
  type JobOutcome,
  type JobResult,
  type JsonValue,
  type Producer,
} from '../../src/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_Fact extends true>(): void => undefined

declare const producer: Producer
const resize = defineJob({
  name: 'image.resize',
  queue: 'media',
  input: z.object({ url: z.string(), width: z.number().default(800) }),
  output: z.object({ bytes: z.string().transform(Number) }),
})
const log = defineJob({ name: 'log', queue: 'media', input: z.string() })

// enqueue takes what the input schema takes.
const handle = await producer.enqueue(resize, { url: 'https://example.com' }, { delay: '2s', priority: 5 })
await producer.enqueue(resize, { url: 'https://example.com', width: 5 }, { at: new Date() })
// @ts-expect-error a field is missing
producer.enqueue(resize, { width: 5 })
// @ts-expect-error a field has the wrong type
producer.enqueue(resize, { url: 'https://example.com', width: '5' })
// @ts-expect-error the input is not a string
producer.enqueue(log, 5)
// @ts-expect-error no such option
producer.enqueue(log, 'text', { delya: 5 })
// @ts-expect-error a duration needs its unit
producer.enqueue(log, 'text', { delay: '5 seconds' })

// A bulk takes any iterable of inputs, and no id for all of them.
producer.enqueueBulk(log, ['a', 'b'], { chunkSize: 10, onProgress: ({ enqueued }) => enqueued.toFixed() })
producer.enqueueBulk(log, new Set(['a', 'b']))
producer.enqueueBulk(
  log,
  (async function* () {
    yield 'a'
  })(),
)
// @ts-expect-error one input has the wrong type
producer.enqueueBulk(log, ['a', 5])
// @ts-expect-error an id names one job
producer.enqueueBulk(log, ['a'], { id: 'same' })

// A handle carries the type of its job's result: what the output schema makes of it, or any JSON.
holds<Equal<typeof handle, JobHandle<{ bytes: number }>>>()
const result = await producer.results.get(handle)
holds<Equal<typeof result, JobResult<{ bytes: number }> | null>>()
const outcome = await producer.results.wait(handle, { timeout: '60s', signal: AbortSignal.timeout(5) })
holds<Equal<typeof outcome, JobOutcome<{ bytes: number }>>>()
if (outcome.ok) outcome.value.bytes.toFixed()
else outcome.error.message.trim()
// @ts-expect-error a failed job has no value
outcome.value

const logged = await producer.results.get(await producer.enqueue(log, 'text'))
holds<Equal<typeof logged, JobResult<JsonValue> | null>>()

// A handle that was stored as JSON is read back as a plain reference.
const stored = await producer.results.get({ queue: 'media', id: handle.id })
if (stored?.status === 'completed') holds<Equal<typeof stored.value, JsonValue>>()

await producer.counters.incr('media', 'bytes', 5)
await producer.counters.read('media', 'bytes', { since: '2h', by: 'minute' })
// @ts-expect-error no such step
producer.counters.read('media', 'bytes', { by: 'day' })

// A flow knows what goes into each of its jobs, and what comes out of it.
const flow = await producer.flows.start({
  jobs: { one: { job: log, input: 'a' }, two: { job: resize, input: { url: 'https://example.com' }, after: ['one'] } },
})
holds<Equal<(typeof flow)['jobs']['two'], JobHandle<{ bytes: number }>>>()
// @ts-expect-error the flow has no such job
flow.jobs.three
// @ts-expect-error one job's input has the wrong type
producer.flows.start({ jobs: { one: { job: log, input: 'a' }, two: { job: resize, input: { url: 5 } } } })

// So does a batch of the jobs that follow it.
producer.batches.open('media', { onSuccess: { job: log, input: 'a' }, onDeath: { job: resize, input: { url: 'a' } } })
// @ts-expect-error the input has the wrong type
producer.batches.open('media', { onSuccess: { job: log, input: 5 } })

// Editors offer the names of an input's fields; a variable that holds any text is taken, too.
const by: string = 'url'
producer.enqueue(resize, { url: 'https://example.com' }, { unique: { by: ['url', by] } })
defineJob({ name: 'a', queue: 'media', input: z.any(), cache: { ttl: '1h', key: 'url' }, limit: { key: by } })
