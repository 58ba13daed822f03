// A worker process that tests kill: some jobs fail for good, some the first time. argv: Redis URL, queue.
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { defineJob, PermanentError } from '../../src/job/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { anything } from './schemas.js'

const [redis = '', queue = ''] = process.argv.slice(2)
const contract = defineJob({ name: 'count', queue, input: anything, attempts: 3, backoff: { delay: 1 } })
const handler = handle(contract, async (input, ctx) => {
  const n = Number(input)
  ctx.counter('sum').add(n)
  await sleep(20)
  if (n % 10 === 0) throw new PermanentError('never')
  if (n % 7 === 0 && ctx.attempt === 1) throw new Error('once more')
  return n
})
await createWorker({
  redis,
  handlers: [handler],
  concurrency: 8,
  lockDuration: '1s',
  stalledInterval: '200ms',
  keepCompleted: 100_000,
  logger: pino({ level: 'silent' }),
})
process.stdout.write('ready\n')
