// A worker process whose handlers enqueue in queues of other slots, for a test that kills it. argv: Redis URL, the queue of
// the parents, one that only the test empties, one that this worker works too. It says when it is ready.
import { pino } from 'pino'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createWorker, handle } from '../../src/worker/index.js'

const [redis = '', parents = '', sink = '', children = ''] = process.argv.slice(2)
const input = z.object({ n: z.number() })
const parent = defineJob({ name: 'parent', queue: parents, input, attempts: 1 })
const drop = defineJob({ name: 'drop', queue: sink, input })
const child = defineJob({ name: 'child', queue: children, input, attempts: 1 })

await createWorker({
  redis,
  handlers: [
    handle(parent, async ({ n }, ctx) => {
      await ctx.enqueue(drop, { n })
      await ctx.enqueue(child, { n })
      ctx.counter('parents').add()
    }),
    handle(child, ({ n }, ctx) => {
      ctx.counter('children').add()
      ctx.effects.rpush(`ran{drover:${children}}`, n)
    }),
  ],
  queues: { [parents]: 4, [children]: 4 },
  lockDuration: '1s',
  stalledInterval: 100,
  logger: pino({ level: 'silent' }),
})
process.stdout.write('ready\n')
