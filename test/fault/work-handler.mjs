// The handler of fault runs: what each job does is in its input, and what the process is told, in DROVER_FAULT_PLAN, which
// worker-process.mjs sets. A file of its own, since an isolated handler's thread or process imports it too.
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { handle } from 'drover/worker'
import { installCrashPoint } from './crash-points.mjs'
import { openLedger } from './ledger-writer.mjs'
import { work } from './work-job.mjs'

const plan = JSON.parse(process.env.DROVER_FAULT_PLAN ?? '{}')
const ledger = openLedger(plan.ledger)
export const crash = installCrashPoint(process.env.DROVER_CRASH_AT)

/** Keeps the event loop busy, as a loop over much data does. */
function block(ms) {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** Wants more heap than there is, which ends the process. */
function eatMemory() {
  for (const all = []; ; ) all.push(new Array(100_000).fill(all.length))
}

/** Takes every descriptor that the process may still open, for a while. */
async function holdFiles(ms) {
  const files = []
  try {
    for (;;) files.push(openSync('/dev/null'))
  } catch (error) {
    if (error.code !== 'EMFILE') throw error
  }
  ledger.append({ e: 'fault', kind: 'descriptors held', seed: 0 })
  await sleep(ms)
  for (const file of files) closeSync(file)
}

async function run(input, ctx) {
  const { n, ms = 0, blockMs = 0, failTimes = 0, fails, deafStarts = 0, kills, sum = n } = input
  const { holdFilesMs = 0, eatMemoryStarts = 0, resultBytes = 0 } = input
  const noted = { id: ctx.id, pid: process.pid, attempt: ctx.attempt }
  ledger.append({ e: 'start', ...noted, n, token: ctx.fence.token })
  crash('in-handler')
  if (kills) process.kill(process.pid, 'SIGKILL')
  try {
    if (blockMs > 0) block(blockMs)
    if (ctx.fence.token <= eatMemoryStarts) eatMemory()
    if (holdFilesMs > 0) await holdFiles(holdFilesMs)
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
  return { n, pid: process.pid, ...(resultBytes > 0 && { filler: 'x'.repeat(resultBytes) }) }
}

const { isolate, memoryMb } = plan
const isolation = isolate === undefined ? [] : [{ isolate, file: import.meta.url, ...(memoryMb && { memoryMb }) }]
export default handle(work(plan.queue, plan.contract), run, ...isolation)
