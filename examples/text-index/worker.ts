// The worker process of this example. worker-process.ts starts it, says in a message what to work on, and hears "ready".
import type { RedisSettings } from 'drover'
import { createWorker, type Worker } from 'drover/worker'
import { pino } from 'pino'
import { textIndexHandlers } from './handlers.js'

export interface WorkerOrder {
  readonly redis: RedisSettings
  readonly prefix: string
  /** Files worked on at once. */
  readonly concurrency: number
}

let worker: Worker | undefined

process.once('message', async ({ redis, prefix, concurrency }: WorkerOrder) => {
  worker = await createWorker({
    redis,
    prefix,
    concurrency,
    handlers: textIndexHandlers(prefix),
    // Short, so that the files of a killed process are soon worked on by the next; indexing 10 MB blocks for 1 to 2 s.
    lockDuration: '10s',
    stalledInterval: '1s',
    shutdownTimeout: '5s',
    logger: pino({ level: 'error' }, process.stderr),
  })
  process.send?.('ready')
})

process.once('SIGTERM', async () => {
  await worker?.close()
  process.exit(0)
})
// Ctrl-C reaches every process of the terminal; what becomes of this one is for the process that started it to say.
process.on('SIGINT', () => undefined)
// That process was killed, and its Redis may be gone with it.
process.on('disconnect', () => process.exit(1))
