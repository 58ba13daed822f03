// A worker process for tests of what happens to its jobs when it is stopped, killed or blocked. From the sources, so that
// its lock thread starts from them too. argv: Redis URL, queue, JSON of further worker options. Its lines are JSON.
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createWorker, handle } from '../../src/worker/index.js'

const [redis = '', queue = '', options = '{}'] = process.argv.slice(2)
const say = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`)

const input = z.object({ ms: z.number() })
const wait = defineJob({ name: 'wait', queue, input, attempts: 1 })
const poison = defineJob({ name: 'poison', queue, input, attempts: 1 })
const block = defineJob({ name: 'block', queue, input, attempts: 1, timeout: '1s' })

await createWorker({
  redis,
  handlers: [
    handle(wait, async ({ ms }, ctx) => {
      say({ started: ctx.id, pid: process.pid })
      ctx.counter('waited').add()
      ctx.signal.addEventListener('abort', () => say({ aborted: ctx.id, reason: ctx.signal.reason.code }))
      await sleep(ms, undefined, { signal: ctx.signal })
    }),
    handle(poison, async ({ ms }, { id }) => {
      say({ poisoned: id })
      await sleep(ms)
      process.kill(process.pid, 'SIGKILL')
    }),
    handle(block, async ({ ms }, { id }) => {
      say({ blocked: id })
      await sleep(10)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    }),
  ],
  lockDuration: '1s',
  stalledInterval: 100,
  logger: pino({ level: 'warn' }),
  ...JSON.parse(options),
})
say({ ready: true })
