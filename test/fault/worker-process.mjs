// A worker of fault runs as a process of its own. What each job does is in its input; what the process is told is one
// JSON word, see WorkerPlan in processes.ts. SIGTERM closes it in order. Needs the built dist/.
import { setTimeout as sleep } from 'node:timers/promises'
import { createWorker, handle } from 'drover/worker'
import { pino } from 'pino'
import { installCrashPoint } from './crash-points.mjs'
import { openLedger } from './ledger-writer.mjs'
import { work } from './work-job.mjs'

const plan = JSON.parse(process.argv[2])
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const ledger = openLedger(plan.ledger)
const crash = installCrashPoint(process.env.DROVER_CRASH_AT)

/** Keeps the event loop busy, as a loop over much data does. */
function block(ms) {
  const until = performance.now() + ms
  while (performance.now() < until);
}

async function run(input, ctx) {
  const { n, ms = 0, blockMs = 0, failTimes = 0, fails, deafStarts = 0, kills, sum = n } = input
  const noted = { id: ctx.id, pid: process.pid, attempt: ctx.attempt }
  ledger.append({ e: 'start', ...noted, n })
  crash('in-handler')
  if (kills) process.kill(process.pid, 'SIGKILL')
  try {
    if (blockMs > 0) block(blockMs)
    if (ctx.fence.token <= deafStarts) await new Promise(() => undefined)
    if (ms > 0) await sleep(ms, undefined, { signal: ctx.signal })
    if (fails || ctx.attempt <= failTimes) throw new Error(`attempt ${ctx.attempt} of ${n} fails as planned`)
  } catch (error) {
    const why = ctx.signal.aborted ? String(ctx.signal.reason?.code ?? ctx.signal.reason) : 'planned'
    ledger.append({ e: 'threw', ...noted, why })
    throw error
  }
  ctx.counter('runs').add()
  ctx.counter('sum').add(sum)
  ctx.effects.hincrby(`{drover:${plan.queue}}:fault:hits`, ctx.id, 1)
  ledger.append({ e: 'end', ...noted, add: { runs: 1, sum } })
  crash('after-handler')
  return { n, pid: process.pid }
}

const worker = await createWorker({
  redis: plan.redis,
  handlers: [handle(work(plan.queue, plan.contract), run)],
  concurrency: plan.concurrency ?? 10,
  // All that finished stays listed, for the checker to count.
  keepCompleted: 1_000_000,
  keepFailed: 1_000_000,
  shutdownTimeout: '10s',
  ...plan.worker,
  logger: pino({ level: 'info' }, pino.destination({ dest: plan.log, sync: true })),
})
say({ ready: true })

process.once('SIGTERM', async () => {
  const closing = worker.close()
  crash('mid-shutdown')
  say({ closed: await closing })
  process.exit(0)
})
