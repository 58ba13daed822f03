// A worker of fault runs as a process of its own; its handler is work-handler.mjs. What it is told is one JSON word, see
// WorkerPlan in processes.ts. SIGTERM closes it in order. Needs the built dist/.
import { createWorker } from 'drover/worker'
import { pino } from 'pino'

process.env.DROVER_FAULT_PLAN = process.argv[2]
const { crash, default: handler } = await import('./work-handler.mjs')

const plan = JSON.parse(process.argv[2])
// Below narrow-process.mjs standard output is the log's, as that of `drover worker` is.
const isNarrow = process.send !== undefined
const say = (line) => (isNarrow ? process.send(line) : process.stdout.write(`${JSON.stringify(line)}\n`))
if (isNarrow) process.once('disconnect', () => process.exit(1))
const log = isNarrow
  ? (await import('../../dist/cli/log.js')).standardOutput()
  : pino.destination({ dest: plan.log, sync: true })

const worker = await createWorker({
  redis: plan.redis,
  handlers: [handler],
  concurrency: plan.concurrency ?? 10,
  // All that finished stays listed, for the checker to count.
  keepCompleted: 1_000_000,
  keepFailed: 1_000_000,
  shutdownTimeout: '10s',
  ...plan.worker,
  logger: pino({ level: 'info' }, log),
})
say({ ready: true })

process.once('SIGTERM', async () => {
  const closing = worker.close()
  crash('mid-shutdown')
  say({ closed: await closing })
  process.exit(0)
})
