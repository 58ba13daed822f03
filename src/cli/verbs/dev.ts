// `drover dev`: Redis, a worker that reloads and the dashboard, in one terminal. Ctrl-C ends all of it.
import type { Command } from 'commander'
import { pino } from 'pino'
import { findJobFiles, type Settings } from '../../config/index.js'
import { createDashboard } from '../../dashboard/index.js'
import { type AnyJobContract, DroverError } from '../../job/index.js'
import { createProducer, type Producer } from '../../producer/index.js'
import { describeRedis } from '../../redis/index.js'
import { type DevRedis, openDevRedis } from '../dev/dev-redis.js'
import { showDone } from '../dev/done-lines.js'
import { formatDone, formatLogLine } from '../dev/log-line.js'
import { foldersOf, watchSources } from '../dev/watch-sources.js'
import { WorkerProcess } from '../dev/worker-process.js'
import { EXIT_CODES } from '../exit-codes.js'
import { loadContracts, loadMiddleware } from '../job-modules.js'
import { formatTable, type Output } from '../output.js'
import { addSettings, readGlobs, readSettings } from '../setting-options.js'
import { untilShutdownSignal } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

/** A reload should not wait for a long job: it goes back to its queue and runs again on the new code. */
const MAX_RELOAD_WAIT_MS = 5_000
/** What a worker may take beyond that to hand jobs back, before it is killed. */
const KILL_GRACE_MS = 5_000
/** Options of the worker that are handed on to it as they were given. */
const WORKER_FLAGS = {
  prefix: '--prefix',
  queues: '--queues',
  concurrency: '--concurrency',
  logLevel: '--log-level',
  config: '--config',
  durability: '--durability',
} as const

type Options = VerbCall['options']

export const dev: Verb = {
  define(command: Command): void {
    command.argument('[globs...]', 'files with handlers, as for --jobs')
    addSettings(command, [
      'redis',
      'prefix',
      'jobs',
      'queues',
      'concurrency',
      'host',
      'port',
      'dataDir',
      'durability',
      'allowVolatile',
      'logLevel',
    ])
    command.addHelpText(
      'after',
      `
Without a Redis in the settings it starts one of its own, on port 6379 where that is free, with its data in --data-dir.
Other drover commands in this directory find it by themselves.
The worker restarts when a source file below the folders of the job files changes; running jobs get up to 5 s for that.
Ctrl-C ends everything; another one after a second does so at once.

Examples:
  $ drover dev                                    the handlers in jobs/
  $ drover dev 'src/**/*.job.ts' --port 4000
  $ REDIS_URL=redis://127.0.0.1:6379/3 drover dev  on a Redis that is there`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const settings = await readSettings({ ...options, jobs: readGlobs(args, options.jobs) })
    await findJobFiles(settings.jobs, process.cwd())
    const session = new Session(settings, options, out)
    const signal = untilShutdownSignal(() => session.kill())
    try {
      await session.open()
      const lost = await Promise.race([signal.then(() => undefined), session.redisLost])
      if (lost === undefined) return EXIT_CODES.ok.code
      out.note(`drover: the Redis server ended ${lost}: see redis.log in ${settings.dataDir}`)
      return EXIT_CODES.failed.code
    } finally {
      await session.close()
    }
  },
}

/** All that is running, closed in the order opposite to its start. */
class Session {
  readonly redisLost: Promise<string>
  readonly #settings: Settings
  readonly #options: Options
  readonly #out: Output
  readonly #closers: (() => Promise<void> | void)[] = []
  #worker: WorkerProcess | undefined
  #loseRedis: (reason: string) => void = () => undefined

  constructor(settings: Settings, options: Options, out: Output) {
    this.#settings = settings
    this.#options = options
    this.#out = out
    this.redisLost = new Promise((resolve) => {
      this.#loseRedis = resolve
    })
  }

  async open(): Promise<void> {
    const redis = await openDevRedis(this.#settings, this.#loseRedis)
    this.#closers.push(() => redis.close())
    const url = await this.#openDashboard(redis)
    this.#announce(redis, url)
    if (!this.#out.json) this.#showDone(redis)
    this.#openWorker(redis)
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }

  kill(): void {
    this.#worker?.kill()
  }

  async #openDashboard(redis: DevRedis): Promise<string> {
    const { prefix, host, port, basePath, token, timeoutMs: timeout } = this.#settings
    const { contracts, producer } = await this.#openAdding(redis)
    const logger = pino({ level: 'warn' }, { write: (line: string) => this.#showLine(line.trimEnd()) })
    const dashboard = createDashboard({
      redis: redis.settings,
      prefix,
      timeout,
      host,
      port,
      basePath,
      token,
      contracts,
      producer,
      logger,
    })
    this.#closers.push(() => dashboard.close())
    return (await dashboard.listen()).url
  }

  /** What the page for a new job needs: the contracts as they are at the start. A job file that is broken by now is the worker's to tell. */
  async #openAdding(redis: DevRedis): Promise<{ contracts?: readonly AnyJobContract[]; producer?: Producer }> {
    const { jobs, prefix, timeoutMs: timeout } = this.#settings
    try {
      const contracts = await loadContracts(jobs, process.cwd())
      const { enqueue: middleware } = await loadMiddleware(jobs, process.cwd())
      // The Redis of dev may be one that keeps nothing; the worker says so.
      const producer = createProducer({ redis: redis.settings, prefix, timeout, allowVolatile: true, middleware })
      this.#closers.push(() => producer.close())
      return { contracts, producer }
    } catch (error) {
      if (!(error instanceof DroverError)) throw error
      return {}
    }
  }

  #openWorker(redis: DevRedis): void {
    const { jobs, shutdownTimeoutMs } = this.#settings
    const waitMs = Math.min(shutdownTimeoutMs, MAX_RELOAD_WAIT_MS)
    const worker = new WorkerProcess({
      args: [...jobs, ...workerFlags(this.#options), '--shutdown-timeout', `${waitMs}ms`],
      env: workerEnvironment(redis, this.#options.redis),
      killAfterMs: waitMs + KILL_GRACE_MS,
      onLine: (line) => this.#showLine(line),
      onExit: (how) => this.#say(`the worker ended ${how}: it starts again when a source file changes`),
    })
    this.#worker = worker
    const sources = watchSources({
      folders: foldersOf(jobs, process.cwd()),
      onChange: (file) => {
        this.#say(`${file} changed: the worker restarts`)
        worker.restart()
      },
      onError: (error) => this.#say(`changes are not noticed everywhere: ${error.message}`),
    })
    this.#closers.push(async () => {
      sources.close()
      await worker.close()
    })
  }

  #showDone(redis: DevRedis): void {
    const { print, paint } = this.#out
    const lines = showDone(
      redis.settings,
      this.#settings.prefix,
      (result) => print(formatDone(result, paint)),
      (count) => print(`… and ${count} more jobs completed`),
    )
    this.#closers.push(() => lines.close())
  }

  /** A line among those of the worker. */
  #say(line: string): void {
    if (!this.#out.json) this.#out.print(line)
  }

  #showLine(line: string): void {
    this.#out.print(this.#out.json ? line : formatLogLine(line, this.#out.paint))
  }

  #announce({ settings, own, canLose }: DevRedis, dashboard: string): void {
    const out = this.#out
    const redis = describeRedis(settings)
    if (out.json) {
      out.printJson({ ready: true, redis, ownRedis: own !== undefined, canLose, dashboard })
      return
    }
    const place = own === undefined ? '' : ` (started here, data in ${own.dir})`
    out.print(
      formatTable([
        ['Redis', `${redis}${place}`],
        ['Can lose', canLose],
        ['Dashboard', dashboard],
      ]),
    )
    if (own !== undefined && !own.isOnUsualPort) {
      out.print(`Port 6379 is taken by another server. Programs of your own find this one with REDIS_URL=${own.url}`)
    }
    out.print('Ctrl-C ends all of it.')
  }
}

function workerFlags(options: Options): string[] {
  const json = options.json === true ? ['--json'] : []
  const values = Object.entries(WORKER_FLAGS).flatMap(([name, flag]) => {
    const value = options[name]
    return typeof value === 'string' ? [flag, value] : []
  })
  return [...json, ...values, ...(options.allowVolatile === true ? ['--allow-volatile'] : [])]
}

/** Handlers that enqueue further jobs read the environment, too. */
function workerEnvironment({ own }: DevRedis, given: unknown): NodeJS.ProcessEnv {
  const url = own?.url ?? given
  if (typeof url !== 'string') return process.env
  const others = Object.entries(process.env).filter(
    ([name]) => !/^REDIS_(URL|HOST|PORT|DB|USERNAME|PASSWORD)/.test(name),
  )
  return { ...Object.fromEntries(others), REDIS_URL: url }
}
