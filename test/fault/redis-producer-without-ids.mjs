// A producer of fault runs that gives no ids: it learns each from the answer, or from the error that says that the outcome
// is unknown, and notes it then. A job that was stored twice has an id that nobody noted. Told: redis, queue, from, count.
// Needs the built dist/.
import { createProducer } from 'drover'
import { openLedger } from './ledger-writer.mjs'
import { work } from './work-job.mjs'

const { redis, queue, from, count, ledger: path } = JSON.parse(process.argv[2])
const ledger = openLedger(path)
const contract = work(queue)
const producer = createProducer({ redis, timeout: '60s' })
const end = from + count
let next = from

async function sendOneByOne() {
  while (next < end) {
    const n = next++
    try {
      const { id } = await producer.enqueue(contract, { n, ms: 1 })
      ledger.append({ e: 'try', id }, { e: 'ack', id })
    } catch (error) {
      if (error.jobId === undefined) throw error
      ledger.append({ e: 'try', id: error.jobId }, { e: 'unknown', id: error.jobId, code: error.code })
    }
  }
}

await Promise.all(Array.from({ length: 5 }, sendOneByOne))
await producer.close()
