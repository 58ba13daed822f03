// A worker process whose handlers enqueue in queues of other slots, for a test that kills it: at a random moment from
// outside, or by its own hand around a step of the outbox. argv: one JSON word. Needs the built dist/.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { defineJob } from 'drover'
import { createWorker, handle } from 'drover/worker'
import { Cluster, Redis } from 'ioredis'
import { pino } from 'pino'
import { z } from 'zod'

/** `step`: the script of the outbox around whose `nth` call it dies, none for null; `side`: once `sent`, or `after` it. */
const { redis, parents, sink, children, step, nth, side } = JSON.parse(process.argv[2])
const NAMES = { read: 'droverReadOutbox', deliver: 'droverDeliver' }
/** What remove-delivered.lua, which has no name, begins with. */
const REMOVES = /^--\[\[\n {2}Takes jobs that were delivered/

let left = nth
let sha
const define = Cluster.prototype.defineCommand
Cluster.prototype.defineCommand = function (name, definition) {
  if (name === NAMES[step]) sha = createHash('sha1').update(definition.lua).digest('hex')
  return define.call(this, name, definition)
}
const send = Redis.prototype.sendCommand
Redis.prototype.sendCommand = function (command, ...rest) {
  const [script] = command.args
  const reply = send.call(this, command, ...rest)
  const isStep = step === 'remove' ? command.name === 'eval' && REMOVES.test(script) : sha && script === sha
  // Of the queue that the test empties alone: there a job that comes twice is seen.
  if (!isStep || !command.args.slice(1, 4).some((word) => String(word).includes(sink)) || --left !== 0) return reply
  const die = () => process.kill(process.pid, 'SIGKILL')
  if (side === 'sent') setImmediate(die)
  else command.promise.then(die, die)
  return reply
}

const input = z.object({ n: z.number() })
const parent = defineJob({ name: 'parent', queue: parents, input, attempts: 1 })
const drop = defineJob({ name: 'drop', queue: sink, input })
const child = defineJob({ name: 'child', queue: children, input, attempts: 1 })

// It begins when it is told to, as its start takes longer than all the rest.
await once(process.stdin, 'data')
process.stdin.unref()
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
