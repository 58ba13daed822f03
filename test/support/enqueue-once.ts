// Run as a process of its own: enqueues one job at the Redis of argv[2] within argv[3] ms, prints how that ended, closes the producer and
// then only returns. The process ends by itself unless something was left open.
import { createProducer, defineJob } from '../../src/index.js'
import { anything } from './schemas.js'

const timeoutMs = Number(process.argv[3])
const producer = createProducer({ redis: String(process.argv[2]), timeout: timeoutMs })
const job = defineJob({ name: 'report', queue: 'single', input: anything })
const waits = [
  producer.enqueue(job, 1),
  producer.results.wait({ queue: 'single', id: 'other' }, { timeout: timeoutMs }),
]
for (const outcome of await Promise.allSettled(waits)) {
  console.log(outcome.status === 'fulfilled' ? 'done' : outcome.reason.code)
}
await producer.close()
