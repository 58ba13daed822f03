// The main job on real input, which `npm start` runs: starts Redis, a worker process and the dashboard, indexes a
// directory (run.ts), says what came out, and ends all of it again.
import { createProducer, isDroverError, PortInUseError } from 'drover'
import { createDashboard, type Dashboard } from 'drover/dashboard'
import { textIndexKeys } from './jobs.js'
import { ExitError, type Options, readOptions, type Settings } from './options.js'
import { Progress } from './progress.js'
import { openRedis, type RunRedis } from './redis.js'
import { runIndex } from './run.js'
import { checkLines, summaryLines } from './summary.js'
import { WorkerProcess } from './worker-process.js'

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
const PORTS_TRIED = 100

/** Aborts with the exit code of the signal, or with the error of a part that is gone. */
const ending = new AbortController()
/** What was opened, to be closed last one first. */
const closers: (() => Promise<unknown>)[] = []

async function main(): Promise<number> {
  try {
    const options = await readOptions(process.argv.slice(2))
    listenForSignals()
    return await indexAndShow(options)
  } catch (error) {
    return explain(ending.signal.aborted ? ending.signal.reason : error)
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

async function indexAndShow({ dir, exit, json, settings }: Options): Promise<number> {
  const progress = new Progress()
  const redis = await openRedis(settings, () => ending.abort(new ExitError('the Redis of this run ended by itself', 1)))
  closers.push(redis.close)
  const producer = createProducer({ redis: redis.settings, prefix: redis.prefix })
  closers.push(() => producer.close())
  const dashboard = exit ? undefined : await startDashboard(redis, settings, progress)

  // Before the run, which is timed: loading the worker's program is not part of it.
  await startWorker(redis, settings, progress)
  progress.say(`Indexing ${dir}${dashboard === undefined ? '' : `; watch it at ${dashboard}`}`)
  const keys = textIndexKeys(redis.prefix)
  const { signal } = ending
  const outcome = await runIndex({ dir, producer, client: redis.client, keys, progress, signal })

  const lines = [...summaryLines(outcome)]
  // A server of our own is gone in a moment when this run does not stay.
  if (!(exit && redis.isOwn)) lines.push(...checkLines(redis.cli, keys, outcome.firstId))
  if (dashboard !== undefined) lines.push('', `Dashboard: ${dashboard} (Ctrl-C ends it)`)
  if (json) lines.push(JSON.stringify(outcome.numbers))
  for (const line of lines) progress.say(line)
  if (!exit) await untilSignal()
  return outcome.numbers.failed + outcome.moreWords.failed > 0 ? 1 : 0
}

/** Resolves when the first worker process works. */
function startWorker(redis: RunRedis, { concurrency }: Settings, progress: Progress): Promise<void> {
  ending.signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const worker = new WorkerProcess({
      order: { redis: redis.settings, prefix: redis.prefix, concurrency },
      onStart: (pid) => {
        progress.say(`Worker process ${pid} works on ${concurrency} files at once`)
        resolve()
      },
      onEnd: (how) => progress.say(`The worker process ended (${how}), starting another`),
      onLog: (text) => progress.warn(text),
      onFail: (error) => ending.abort(error),
    })
    closers.push(() => worker.close())
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason))
  })
}

/** Where the dashboard is: at the port of the settings, or at the next one that is free. */
async function startDashboard(redis: RunRedis, settings: Settings, progress: Progress): Promise<string> {
  const { host, basePath, token } = settings
  for (let port = settings.port; ; port += 1) {
    const dashboard: Dashboard = createDashboard({
      redis: redis.settings,
      prefix: redis.prefix,
      host,
      basePath,
      token,
      port,
    })
    try {
      const { url, port: bound } = await dashboard.listen()
      closers.push(() => dashboard.close())
      if (bound !== settings.port && settings.port !== 0) {
        progress.say(`Port ${settings.port} is in use, the dashboard takes ${bound}`)
      }
      return url
    } catch (error) {
      await dashboard.close()
      if (!(error instanceof PortInUseError) || port - settings.port >= PORTS_TRIED) throw error
    }
  }
}

function listenForSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // A second one does not wait: worker process and server end by themselves when this process has.
      if (ending.signal.aborted) process.exit(EXIT_CODES[signal])
      ending.abort(EXIT_CODES[signal])
    })
  }
}

/** Resolves at a signal, which is the planned end here; rejects when a part of the run is gone. */
function untilSignal(): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => (typeof ending.signal.reason === 'number' ? resolve() : reject(ending.signal.reason))
    if (ending.signal.aborted) end()
    else ending.signal.addEventListener('abort', end)
  })
}

/** Says what ended the run before it was done, and gives the exit code. */
function explain(reason: unknown): number {
  if (typeof reason === 'number') {
    process.stderr.write('\nInterrupted before it was done\n')
    return reason
  }
  if (reason instanceof ExitError) {
    if (reason.message !== '') process.stderr.write(`text-index: ${reason.message}\n`)
    return reason.exitCode
  }
  const error = reason instanceof Error ? reason : new Error(String(reason))
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  // An error of Drover says what to do; of any other, where it was thrown is all there is.
  process.stderr.write(`text-index: ${isDroverError(error) ? error.message : error.stack}${cause}\n`)
  return 1
}

process.exitCode = await main()
