// A worker process of its own for tests: works one queue until it is told to close, and then must end by itself.
// Run with `node --import tsx`; every line it prints is JSON.
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createWorker, handle } from '../../src/worker/index.js'

const [redis = '', queue = '', shutdownTimeout = '200ms'] = process.argv.slice(2)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

const contract = defineJob({ name: 'wait', queue, input: z.object({ ms: z.number(), deaf: z.boolean().optional() }) })
const handler = handle(contract, async ({ ms, deaf }, { id, signal }) => {
  say({ started: id })
  await sleep(ms, undefined, deaf ? {} : { signal })
  return 'done'
})
const worker = await createWorker({
  redis,
  handlers: [handler],
  shutdownTimeout: shutdownTimeout as '200ms',
  lockDuration: '1s',
  stalledInterval: '1h',
  logger: pino({ level: 'silent' }),
})
say({ ready: true })
process.stdin.once('data', async () => {
  const [first, second] = [worker.close(), worker.close()]
  say({ closed: await first, same: first === second })
  process.stdin.destroy()
})
