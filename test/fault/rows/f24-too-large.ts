// F24: inputs and results far beyond their limits come to producer, HTTP API and worker, among good jobs.
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { endInOrder } from '../nemesis.js'
import { defineRow, type RowContext } from '../row.js'

interface Size {
  readonly good: number
  /** Inputs of so many megabytes, each to the producer and, with its length and without, to the API. */
  readonly inputMegabytes: readonly number[]
  /** Results of so many megabytes. */
  readonly resultMegabytes: readonly number[]
}

const MEGABYTE = 2 ** 20
const TOKEN = 'a-token-of-the-fault-run'
/** What the API's process may grow by while it refuses bodies: none of them fits in. */
const MOST_GROWTH_MB = 20
// Numbers of jobs that are sent beside the good ones.
const [FIRST_INPUT, FIRST_RESULT] = [1_000_000, 2_000_000]

export default defineRow<Size>({
  name: 'F24',
  title: 'inputs and results beyond their limits are refused whole, and disturb no other job',
  small: { good: 100, inputMegabytes: [10], resultMegabytes: [2] },
  full: { good: 5_000, inputMegabytes: [10, 50, 10, 50, 10, 50], resultMegabytes: [2, 10, 50, 2, 10, 50] },
  run: async (context) => {
    const { size } = context
    const { url: redis } = await context.startRedis()
    const contract = { attempts: 2 }
    const worker = await context.startWorker({ redis, contract })
    const server = context.startScript('server-process.mjs', { redis, contract, token: TOKEN })
    await context.until('the API listens', () => server.said.some(({ ready }) => ready === true))
    const good = context.startProducer({ redis, jobs: context.plan(size.good, () => ({ ms: 2 })), contract })

    const bytes = size.inputMegabytes.map((megabytes) => megabytes * MEGABYTE)
    await sendInputs(context, redis, bytes)
    const growth = await postInputs(context, String(server.said[0]?.url), server.pid, bytes)
    context.figure('apiGrowthMb', growth)
    context.require(!context.isFull || growth <= MOST_GROWTH_MB, 'too-much-memory', `the API grew by ${growth} MB`)

    for (const megabytes of size.resultMegabytes) context.fault(`a result of ${megabytes} MB`)
    const results = context
      .plan(size.resultMegabytes.length, (n) => resultOf(size, n), FIRST_RESULT)
      .map((job) => ({ ...job, expect: 'failed' as const, attempts: 2 }))
    await context.finish(context.startProducer({ redis, jobs: results, contract }))
    await context.finish(good)
    await context.drain(redis)
    for (const each of [worker, server]) await endInOrder(context, each)
    const { failed } = await context.check({ url: redis })
    context.require(failed === results.length, 'collateral', `${failed} jobs failed, of ${results.length} that had to`)
  },
})

const resultOf = ({ resultMegabytes }: Size, n: number) => ({
  ms: 1,
  resultBytes: (resultMegabytes[n - FIRST_RESULT] ?? 0) * MEGABYTE,
})

/** By the library: each is refused, and the checker sees that none is stored. */
async function sendInputs(context: RowContext<Size>, redis: string, sizes: readonly number[]): Promise<void> {
  for (const bytes of sizes) context.fault(`an input of ${bytes / MEGABYTE} MB`)
  const paddingOf = (n: number) => ({ padding: 'x'.repeat(sizes[n - FIRST_INPUT] ?? 0) }) as object
  const jobs = context.plan(sizes.length, paddingOf, FIRST_INPUT)
  await context.finish(context.startProducer({ redis, jobs, inFlight: 2 }))
  const ids = new Set(jobs.map(({ id }) => id))
  const answers = context.ledger().flatMap((line) => (line.e === 'refused' && ids.has(line.id) ? [line.code] : []))
  const isRefused = answers.length === jobs.length && answers.every((code) => code === 'TOO_LARGE')
  context.require(isRefused, 'not-refused', `${jobs.length} inputs were answered ${answers.join(', ') || 'well'}`)
}

/** To the API: each is answered 413. Gives by how many megabytes its process grew at most. */
async function postInputs(context: RowContext<Size>, url: string, pid: number, sizes: readonly number[]) {
  // Once before it is measured: code that is compiled and buffers that stay are no growth.
  await post(url, 1_000, 'announced')
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = peakMegabytes(pid)
  for (const bytes of sizes) {
    for (const way of ['announced', 'chunked'] as const) {
      context.fault(`a body of ${bytes / MEGABYTE} MB, ${way}`)
      const status = await post(url, bytes, way)
      context.require(status === 413 || status === undefined, 'not-refused', `a body of ${bytes} bytes got ${status}`)
    }
  }
  return Math.round(peakMegabytes(pid) - before)
}

const peakMegabytes = (pid: number) =>
  Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** The status of the answer; undefined where the server cut the connection before the client had read it. */
function post(url: string, bytes: number, way: 'announced' | 'chunked'): Promise<number | undefined> {
  const head = '{"job":"work","input":{"n":1,"padding":"'
  const length = way === 'announced' ? { 'content-length': `${head.length + bytes}` } : {}
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...length }
  return new Promise((resolve) => {
    const sent = request(`${url}/v1/jobs`, { method: 'POST', headers, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
      sent.destroy()
    })
    sent.on('error', () => resolve(undefined))
    sent.write(head)
    const chunk = Buffer.alloc(65_536, 'x')
    let left = bytes
    const writeOn = (): void => {
      while (left > 0 && !sent.destroyed) {
        const isTaken = sent.write(chunk.subarray(0, Math.min(left, chunk.length)))
        left -= chunk.length
        if (!isTaken) return void sent.once('drain', writeOn)
      }
      if (!sent.destroyed) sent.end()
    }
    writeOn()
  })
}
