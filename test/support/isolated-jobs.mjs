// Job files' handlers for tests of isolation: each does one thing that a handler may do to its thread or process.
// Exported for both kinds, as `thread_<name>` and `process_<name>`. Needs the built dist/.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, threadId } from 'node:worker_threads'
import { defineJob, PermanentError } from 'drover'
import { handle, retryIn } from 'drover/worker'
import { z } from 'zod'

const where = () => ({ pid: process.pid, threadId })
const aborted = async (signal) => signal.aborted || once(signal, 'abort')
const loop = () => {
  for (;;);
}

const next = defineJob({ name: 'next', queue: 'next', input: z.object({ n: z.number() }) })

const acts = {
  async follow({ n }, ctx) {
    const { id } = await ctx.enqueue(next, { n })
    return id
  },
  async stage({ n }, ctx) {
    ctx.counter('n').add(n)
    ctx.effects.set(`staged:${ctx.id}`, ctx.queue)
    ctx.log.debug('a detail')
    ctx.log.info({ n }, 'staged')
    await ctx.progress(50, 'half')
    const { id, job, attempt, attempts, enqueuedAt, fence } = ctx
    return { ...where(), about: { id, job, attempt, attempts, enqueuedAt, fence } }
  },
  async loop(_input, ctx) {
    ctx.log.info(where(), 'looping')
    await ctx.progress(1)
    loop()
  },
  async listen(_input, ctx) {
    await aborted(ctx.signal)
    ctx.log.info({ ...where(), reason: ctx.signal.reason.code, timeoutMs: ctx.signal.reason.timeoutMs }, 'told')
  },
  async late(_input, ctx) {
    ctx.counter('late').add(1)
    ctx.effects.set('late', '1')
    await aborted(ctx.signal)
    await sleep(20)
    return 'late result'
  },
  async stay(_input, ctx) {
    ctx.effects.set('stayed', '1')
    ctx.log.info('stays')
    await aborted(ctx.signal)
    ctx.log.info({ reason: ctx.signal.reason.code }, 'told')
  },
  exit: () => process.exit(3),
  abort: () => process.abort(),
  kill: () => process.kill(process.pid, 'SIGKILL'),
  fill() {
    const held = []
    for (;;) held.push(new Array(1_000).fill({}))
  },
  async throwLater() {
    setTimeout(() => {
      throw new TypeError('nobody catches this')
    }, 1)
    await new Promise(() => undefined)
  },
  async rejectLater() {
    void Promise.reject(new RangeError('nobody handles this'))
    await new Promise(() => undefined)
  },
  function: () => () => 1,
  bigint: () => 1n,
  large: () => 'x'.repeat(2_000_000),
  permanent() {
    throw new PermanentError('never')
  },
  retryIn() {
    throw retryIn('30m', 'later')
  },
  async forge() {
    const send = parentPort === null ? (message) => process.send(message) : (message) => parentPort.postMessage(message)
    send({ drover: 'unheard of' })
    for (let run = 1; run < 100; run++) send({ drover: 'completed', run })
    await new Promise(() => undefined)
  },
  text() {
    throw 'plain'
  },
  counter(_input, ctx) {
    try {
      ctx.counter('n').add(0.5)
    } catch {
      // A rejected count fails the attempt all the same.
    }
  },
  once(_input, ctx) {
    if (ctx.attempt === 1) process.exit(1)
    return ctx.attempt
  },
  async keeps(_input, ctx) {
    const first = await ctx.step('first', () => ({ token: ctx.fence.token }))
    const { n } = (await ctx.checkpointed()) ?? { n: 0 }
    await ctx.checkpoint({ n: n + 1 })
    const shared = await ctx.once(`shared:${ctx.queue}`, () => ctx.fence.token)
    if (ctx.fence.token === 1) process.exit(1)
    if (ctx.fence.token === 2) ctx.snooze(100)
    if (ctx.fence.token === 3) {
      await ctx.step('first', () => 'again').catch(() => undefined)
      return 'its attempt fails all the same'
    }
    return { first, n, shared }
  },
  async floodLog(_input, ctx) {
    for (let i = 0; i < 20_000; i++) ctx.log.info({ i }, 'flood')
    for (let i = 0; i < 20_000; i++) void ctx.progress(i % 100)
    await ctx.progress(100)
    ctx.log.info('after the flood')
    return 'done'
  },
}

function contractOf(kind, name) {
  const slow = ['loop', 'listen', 'late'].includes(name)
  return defineJob({
    name: `${kind}_${name}`,
    queue: kind,
    input: z.object({ n: z.number().default(7) }),
    attempts: { once: 2, keeps: 3 }[name] ?? 1,
    backoff: { delay: 0 },
    timeout: slow ? 300 : '1m',
  })
}

const of = (kind, name) =>
  handle(contractOf(kind, name), acts[name], { isolate: kind, file: import.meta.url, memoryMb: 64, killGrace: '5s' })

export const thread_follow = of('thread', 'follow')
export const process_follow = of('process', 'follow')
export const thread_stage = of('thread', 'stage')
export const thread_loop = of('thread', 'loop')
export const thread_listen = of('thread', 'listen')
export const thread_late = of('thread', 'late')
export const thread_stay = of('thread', 'stay')
export const thread_forge = of('thread', 'forge')
export const process_forge = of('process', 'forge')
export const thread_exit = of('thread', 'exit')
export const thread_abort = of('thread', 'abort')
export const thread_fill = of('thread', 'fill')
export const thread_throwLater = of('thread', 'throwLater')
export const thread_rejectLater = of('thread', 'rejectLater')
export const thread_function = of('thread', 'function')
export const thread_bigint = of('thread', 'bigint')
export const thread_large = of('thread', 'large')
export const thread_permanent = of('thread', 'permanent')
export const thread_retryIn = of('thread', 'retryIn')
export const thread_text = of('thread', 'text')
export const thread_counter = of('thread', 'counter')
export const thread_once = of('thread', 'once')
export const thread_keeps = of('thread', 'keeps')
export const process_keeps = of('process', 'keeps')
export const thread_floodLog = of('thread', 'floodLog')
export const process_stage = of('process', 'stage')
export const process_loop = of('process', 'loop')
export const process_listen = of('process', 'listen')
export const process_late = of('process', 'late')
export const process_stay = of('process', 'stay')
export const process_exit = of('process', 'exit')
export const process_abort = of('process', 'abort')
export const process_kill = of('process', 'kill')
export const process_fill = of('process', 'fill')
export const process_throwLater = of('process', 'throwLater')
export const process_rejectLater = of('process', 'rejectLater')
export const process_function = of('process', 'function')
export const process_bigint = of('process', 'bigint')
export const process_large = of('process', 'large')
export const process_permanent = of('process', 'permanent')
export const process_retryIn = of('process', 'retryIn')
export const process_text = of('process', 'text')
export const process_counter = of('process', 'counter')
export const process_once = of('process', 'once')
export const process_floodLog = of('process', 'floodLog')
