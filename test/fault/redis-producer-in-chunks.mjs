// A producer of fault runs for very many jobs that are due at a time: notes each 500 of them in one line on disk before
// they are sent, and again when all of them are accepted. Told: redis, queue, count, at. Needs the built dist/.
import { createProducer } from 'drover'
import { openLedger } from './ledger-writer.mjs'
import { work } from './work-job.mjs'

const { redis, queue, count, at, ledger: path } = JSON.parse(process.argv[2])
const CHUNK = 500
const ledger = openLedger(path)
const contract = work(queue)
const producer = createProducer({ redis, timeout: '60s' })

for (let from = 1; from <= count; from += CHUNK) {
  const numbers = Array.from({ length: Math.min(CHUNK, count - from + 1) }, (_, index) => from + index)
  const lines = (e) => numbers.map((n) => ({ e, id: `j-${n}` }))
  ledger.append(...lines('try'))
  await Promise.all(numbers.map((n) => producer.enqueue(contract, { n, ms: 1 }, { id: `j-${n}`, at })))
  ledger.append(...lines('ack'))
}
await producer.close()
