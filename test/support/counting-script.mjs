// A worker process that tests kill and freeze: its job counts in every way there is, and notes each run in a file.
// argv: Redis URL, queue, file, milliseconds a run takes at most. Ends when a line comes on standard input. Needs dist/.
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineJob, PermanentError } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { pino } from 'pino'
import { z } from 'zod'

const [redis, queue, file, longestMs] = process.argv.slice(2)
const note = (...words) => appendFileSync(file, `${words.join(' ')}\n`)

const contract = defineJob({ name: 'count', queue, input: z.object({ n: z.number() }), backoff: { delay: 1 } })
const handler = handle(contract, async ({ n }, ctx) => {
  note('start', n, process.pid, ctx.attempt)
  ctx.counter('runs').add()
  ctx.counter('sum').add(n)
  ctx.effects.incrby('total', n)
  ctx.effects.incrbyfloat('halves', 0.5)
  ctx.effects.rpush('list', n)
  ctx.effects.sadd('set', n)
  ctx.effects.hincrby('hash', n % 10, 1)
  ctx.effects.zincrby('zset', 1, n % 13)
  ctx.effects.append('text', '.')
  await sleep((Number(longestMs) * (1 + Math.random())) / 2)
  if (n % 10 === 0) throw new PermanentError(`${n} never works`)
  if (n % 7 === 0 && ctx.attempt === 1) throw new Error(`${n} works the second time`)
  note('end', n, process.pid, ctx.attempt)
  return { n, pid: process.pid }
})
const worker = await createWorker({
  redis,
  handlers: [handler],
  concurrency: 10,
  lockDuration: '3s',
  stalledInterval: '200ms',
  shutdownTimeout: '5s',
  logger: pino({ level: 'silent' }),
})
process.stdout.write('ready\n')
process.stdin.once('data', async () => {
  await worker.close()
  process.stdin.destroy()
})
