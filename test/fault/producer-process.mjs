// A producer of fault runs as a process of its own: enqueues the jobs of a file, one JSON line each (`id`, `input`,
// `options`, `expect`, `attempts`), and notes each before it is sent and when it is accepted. What it is told is one
// JSON word, see ProducerPlan in processes.ts. An enqueue whose outcome is unknown is sent again under the same id.
// Ends by itself. Needs the built dist/.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createProducer, RedisUnavailableError } from 'drover'
import { installCrashPoint } from './crash-points.mjs'
import { openLedger } from './ledger-writer.mjs'
import { work } from './work-job.mjs'

const plan = JSON.parse(process.argv[2])
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const ledger = openLedger(plan.ledger)
const crash = installCrashPoint(process.env.DROVER_CRASH_AT)
const lines = readFileSync(plan.jobs, 'utf8').trim().split('\n')
const jobs = lines.map((line) => JSON.parse(line))
const contract = work(plan.queue, plan.contract)
// A job is lost to a row that does not send it again: that waits longer than a busy machine stands still.
const timeout = plan.timeout ?? (plan.persistent ? '3s' : '60s')
const producer = createProducer({ redis: plan.redis, timeout, ...plan.producer })

let next = 0
const counts = { acked: 0, refused: 0, unknown: 0 }
const startedAt = performance.now()

async function enqueueOne({ id, input, options, expect, attempts }) {
  ledger.append({ e: 'try', id, expect, attempts })
  for (;;) {
    try {
      crash('before-send')
      const sent = producer.enqueue(contract, input, { ...options, id })
      crash('after-send', { later: true })
      await sent
      crash('before-ack')
      ledger.append({ e: 'ack', id })
      counts.acked++
      crash('after-ack')
      return
    } catch (error) {
      const code = error.code ?? error.name
      const unknown = error instanceof RedisUnavailableError
      ledger.append({ e: unknown ? 'unknown' : 'refused', id, code })
      counts[unknown ? 'unknown' : 'refused']++
      if (!plan.persistent || (!unknown && !plan.persistsWhenRefused)) return
      await sleep(50)
    }
  }
}

const untilTurnOf = (index) => sleep(Math.max(0, startedAt + (index * 1_000) / plan.perSecond - performance.now()))

async function sendOneByOne() {
  while (next < jobs.length) {
    const index = next++
    if (plan.perSecond) await untilTurnOf(index)
    await enqueueOne(jobs[index])
  }
}

async function* paced() {
  for (const [index, { input }] of jobs.entries()) {
    await untilTurnOf(index)
    yield input
  }
}

/** Ids of a bulk are known at its end alone, where its keys have named those of an earlier, broken run too. */
async function sendAsBulk() {
  const inputs = plan.perSecond ? paced() : jobs.map(({ input }) => input)
  const { ids, deduplicated } = await producer.enqueueBulk(contract, inputs, {
    key: ({ n }) => `key-${n}`,
    chunkSize: 100,
    onProgress: ({ enqueued }) => say({ enqueued }),
  })
  ledger.append(...ids.map((id) => ({ e: 'try', id, attempts: 1 })), ...ids.map((id) => ({ e: 'ack', id })))
  say({ deduplicated })
}

say({ ready: true })
if (plan.bulk) await sendAsBulk()
else await Promise.all(Array.from({ length: plan.inFlight ?? 20 }, sendOneByOne))
await producer.close()
say({ done: counts })
