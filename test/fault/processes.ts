// The processes of a fault run: workers and producers that a row starts, kills, freezes and ends in order. None of them
// outlives the row.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** What the handler of `work-job.mjs` does with one job. */
export interface WorkInput {
  /** Its number; the counter `sum` grows by it unless `sum` says otherwise. */
  readonly n: number
  readonly sum?: number
  /** How long it waits, in milliseconds, and how long it keeps the event loop busy before. */
  readonly ms?: number
  readonly blockMs?: number
  /** Attempts up to this one throw. */
  readonly failTimes?: number
  /** Every attempt throws. */
  readonly fails?: boolean
  /** Runs up to this one never settle, and do not hear their signal. */
  readonly deafStarts?: number
  /** It kills its process. */
  readonly kills?: boolean
  /** It holds every descriptor that its process may open, for so long. */
  readonly holdFilesMs?: number
  /** Runs up to this one want more heap than there is. */
  readonly eatMemoryStarts?: number
  /** Its result is longer by so many bytes. */
  readonly resultBytes?: number
}

/** One job as a row plans it. */
export interface PlannedJob {
  readonly id: string
  readonly input: WorkInput
  /** Options of `enqueue`, without the id. */
  readonly options?: Readonly<Record<string, unknown>>
  readonly expect?: 'completed' | 'failed' | 'either'
  readonly attempts?: number
}

export interface ProcessPlan {
  readonly redis: string
  readonly queue: string
  /** Further options of the job's contract: attempts, timeout, backoff. */
  readonly contract?: Readonly<Record<string, unknown>>
  /** A place of crash-points.mjs, such as `before-commit:7`. */
  readonly crashAt?: string
  /** How far the wall clock of the process is ahead, in milliseconds. */
  readonly skewMs?: number
  /** The checkout or package folder whose Drover it runs; by default this one. */
  readonly home?: string
}

export interface WorkerPlan extends ProcessPlan {
  readonly concurrency?: number
  /** Runs the handler in a thread or process beside the worker. */
  readonly isolate?: 'thread' | 'process'
  /** Further options of createWorker, such as `lockDuration`. */
  readonly worker?: Readonly<Record<string, unknown>>
}

export interface ProducerPlan extends ProcessPlan {
  readonly jobs: readonly PlannedJob[]
  /** Enqueues at the same time, by default 20. */
  readonly inFlight?: number
  /** Sends them as one bulk with an idempotency key each; their ids are Drover's. */
  readonly bulk?: boolean
  /** Left out: as fast as it can. */
  readonly perSecond?: number
  /** The option `timeout` of createProducer, by default 3s where jobs are sent again and 60s where they are not. */
  readonly timeout?: string
  /** Further options of createProducer. */
  readonly producer?: Readonly<Record<string, unknown>>
  /** Sends a job whose outcome is unknown again, under the same id, until it is accepted. */
  readonly persistent?: boolean
  /** And one that was refused too. */
  readonly persistsWhenRefused?: boolean
}

export interface FaultProcess {
  readonly pid: number
  readonly child: ChildProcess
  /** The file with the process's own log. */
  readonly log: string
  /** Every JSON line it printed so far. */
  readonly said: readonly Readonly<Record<string, unknown>>[]
  /** What it wrote to standard error. */
  complaints(): string
  hasEnded(): boolean
  /** Sends a signal; a process that has ended is left alone. */
  signal(signal: NodeJS.Signals): void
  /** Resolves when it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

const HERE = fileURLToPath(new URL('.', import.meta.url))
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SHIFT_CLOCK = new URL('shift-clock.mjs', import.meta.url).href

export class ProcessRoom {
  readonly #folder: string
  readonly #ledger: string
  readonly #all = new Set<FaultProcess>()
  #count = 0

  constructor(folder: string, ledger: string) {
    this.#folder = folder
    this.#ledger = ledger
  }

  /** Every process that was started, ended ones too. */
  get all(): readonly FaultProcess[] {
    return [...this.#all]
  }

  /** Starts a worker; resolves when it takes jobs, or when it has ended before that. */
  async startWorker(plan: WorkerPlan): Promise<FaultProcess> {
    const started = this.#start('worker-process.mjs', plan, plan)
    await this.#untilReady(started, plan.crashAt !== undefined)
    return started
  }

  /** Starts a producer, which ends by itself when all of its jobs were sent. */
  startProducer({ jobs, ...plan }: ProducerPlan): FaultProcess {
    const file = join(this.#folder, `jobs-${this.#count}`)
    writeFileSync(file, `${jobs.map((job) => JSON.stringify(job)).join('\n')}\n`)
    return this.#start('producer-process.mjs', plan, { ...plan, jobs: file })
  }

  /** Runs a script of the folder test/fault that is told the same as a worker, and the ledger. */
  startScript(script: string, plan: ProcessPlan & Readonly<Record<string, unknown>>): FaultProcess {
    return this.#start(script, plan, plan)
  }

  /** Kills what still runs. */
  async close(): Promise<void> {
    for (const started of this.#all) started.signal('SIGKILL')
    await Promise.all([...this.#all].map(({ ended }) => ended))
  }

  #start(script: string, plan: ProcessPlan, told: object): FaultProcess {
    const log = join(this.#folder, `log-${this.#count++}-${script.replace(/-process\.mjs$/, '')}`)
    const { PATH = '', HOME = '', TMPDIR } = process.env
    const preload = plan.skewMs === undefined ? [] : ['--import', SHIFT_CLOCK]
    const folder = plan.home === undefined ? HERE : join(plan.home, 'test', 'fault')
    const words = [...preload, join(folder, script), JSON.stringify({ ...told, ledger: this.#ledger, log })]
    const child = spawn(process.execPath, words, {
      cwd: plan.home ?? ROOT,
      env: {
        PATH,
        HOME,
        ...(TMPDIR === undefined ? {} : { TMPDIR }),
        ...(plan.crashAt === undefined ? {} : { DROVER_CRASH_AT: plan.crashAt }),
        ...(plan.skewMs === undefined ? {} : { DROVER_TEST_SKEW_MS: `${plan.skewMs}` }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const started = watch(child, log)
    this.#all.add(started)
    return started
  }

  async #untilReady(started: FaultProcess, mayEnd: boolean): Promise<void> {
    while (!started.said.some((line) => line.ready === true)) {
      const next = started.child.stdout ? once(started.child.stdout, 'data') : Promise.resolve()
      await Promise.race([next.catch(() => undefined), started.ended])
      if (!started.hasEnded()) continue
      if (mayEnd) return
      throw new Error(`a process of the run ended before it was ready:\n${started.complaints()}`)
    }
  }
}

function watch(child: ChildProcess, log: string): FaultProcess {
  const said: Record<string, unknown>[] = []
  let complaints = ''
  let hasEnded = false
  if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => said.push(JSON.parse(line)))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    hasEnded = true
    return { code, signal } as { code: number | null; signal: NodeJS.Signals | null }
  })
  return {
    pid: child.pid ?? 0,
    child,
    log,
    said,
    complaints: () => complaints,
    hasEnded: () => hasEnded || child.exitCode !== null || child.signalCode !== null,
    signal: (signal) => void child.kill(signal),
    ended,
  }
}
