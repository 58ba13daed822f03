// A producer of fault runs that knows BullMQ alone: it adds the numbers `from` to `to` with BullMQ's own Queue, as another
// language or an older program would. Told in one JSON word; ends by itself.
import { Queue } from 'bullmq'
import { openLedger } from './ledger-writer.mjs'

const { redis, queue: name, ledger: path, from, to } = JSON.parse(process.argv[2])
const ledger = openLedger(path)
const { hostname: host, port } = new URL(redis)
const queue = new Queue(name, { connection: { host, port: Number(port) }, prefix: `{drover:${name}}` })
for (let n = from; n <= to; n++) {
  const jobId = `bare-${n}`
  ledger.append({ e: 'try', id: jobId, attempts: 1 })
  await queue.add('work', { n, unknownField: 'of another version' }, { jobId })
  ledger.append({ e: 'ack', id: jobId })
}
await queue.close()
