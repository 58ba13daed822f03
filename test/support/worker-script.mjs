// A worker process of its own for tests: works one queue until it is told to close, and then must end by itself.
// argv: Redis URL, queue, shutdown timeout. Every line it prints is JSON. Needs the built dist/.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineJob } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { pino } from 'pino'
import { z } from 'zod'

const [redis, queue, shutdownTimeout] = process.argv.slice(2)
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

const contract = defineJob({ name: 'wait', queue, input: z.object({ ms: z.number(), deaf: z.boolean().optional() }) })
const handler = handle(contract, async ({ ms, deaf }, { id, signal }) => {
  say({ started: id })
  // A deaf one goes on for so long after it was told to end.
  if (deaf) await once(signal, 'abort')
  await sleep(ms, undefined, deaf ? {} : { signal })
  return 'done'
})
const worker = await createWorker({
  redis,
  handlers: [handler],
  shutdownTimeout,
  lockDuration: '10s',
  stalledInterval: '1h',
  logger: pino({ level: 'silent' }),
})
say({ ready: true })
process.stdin.once('data', async () => {
  const [first, second] = [worker.close(), worker.close()]
  say({ closed: await first, same: first === second })
  process.stdin.destroy()
})
