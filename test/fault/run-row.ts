// Runs one row of the fault matrix: a folder, a ledger, servers and processes of its own, and at the end nothing of them.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { createWorkerClient, parseRedisUrl, queueKeys, type RedisClient } from '../../src/redis/index.js'
import { createRandom } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { check, type Problem, type Report, spreadOf } from './check.js'
import { openLedgerReader } from './ledger-file.js'
import { openLedger } from './ledger-writer.mjs'
import { ProcessRoom } from './processes.js'
import { killRedis } from './redis-down.js'
import type { Row, RowContext } from './row.js'

export interface RowOutcome {
  readonly row: string
  readonly size: 'small' | 'full'
  readonly seed: number
  readonly ok: boolean
  readonly seconds: number
  readonly report: Report | undefined
  readonly figures: Readonly<Record<string, unknown>>
  readonly problems: readonly Problem[]
}

export interface RunOptions {
  readonly seed: number
  readonly size: 'small' | 'full'
  readonly minutes?: number
}

const PATIENCE_MS = 180_000
const DRAIN_PATIENCE_MS = 600_000
/**
 * How many jobs are left in three lists and two sorted sets, at one moment: asked for one after the other, five stalled
 * jobs go from active, not yet read, to waiting, read already. One command, as a transaction does not outlive a reconnect.
 */
const COUNT_LEFT = `local left = 0
for at = 1, 3 do left = left + redis.call('LLEN', KEYS[at]) end
for at = 4, 5 do left = left + redis.call('ZCARD', KEYS[at]) end
return left`

/** Runs the row once. What goes wrong in it is a problem of the outcome, never an exception. */
export async function runRow(row: Row, { seed, size, minutes }: RunOptions): Promise<RowOutcome> {
  const startedMs = performance.now()
  const directory = mkdtempSync(join(tmpdir(), 'drover-fault-'))
  const room = new RunRoom(row, directory, seed)
  const problems: Problem[] = []
  try {
    await row.run(room.context(size, minutes))
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    problems.push({ kind: 'run-broken', text })
  } finally {
    await room.close()
  }
  const report = room.reports.at(-1)
  if (!report) problems.push({ kind: 'not-checked', text: 'the run held nothing against its ledger' })
  problems.push(...room.problems, ...room.reports.flatMap((each) => each.problems))
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  return { row: row.name, size, seed, ok: problems.length === 0, seconds, report, figures: room.figures(), problems }
}

class RunRoom {
  readonly reports: Report[] = []
  readonly problems: Problem[] = []
  readonly #figures: Record<string, unknown> = {}
  readonly #recoveries: number[] = []
  readonly #servers: TestRedis[] = []
  readonly #clients = new Map<string, RedisClient>()
  readonly #row: Row
  readonly #directory: string
  readonly #seed: number
  readonly #readLedger: ReturnType<typeof openLedgerReader>
  readonly #ledgerPath: string
  readonly #nemesis: ReturnType<typeof openLedger>
  readonly #processes: ProcessRoom

  constructor(row: Row, directory: string, seed: number) {
    this.#row = row
    this.#directory = directory
    this.#seed = seed
    this.#ledgerPath = join(directory, 'ledger')
    this.#readLedger = openLedgerReader(this.#ledgerPath)
    this.#nemesis = openLedger(this.#ledgerPath)
    this.#processes = new ProcessRoom(directory, this.#ledgerPath)
  }

  figures(): Record<string, unknown> {
    const recoveries = this.#recoveries.length > 0 ? { recoveredMs: spreadOf(this.#recoveries) } : {}
    return { ...this.#figures, ...recoveries }
  }

  async close(): Promise<void> {
    await this.#processes.close()
    for (const client of this.#clients.values()) client.disconnect()
    await Promise.all(this.#servers.map((server) => server.close()))
    this.#nemesis.close()
  }

  context(size: 'small' | 'full', minutes: number | undefined): RowContext<unknown> {
    const queue = this.#row.name.toLowerCase()
    const room = this.#processes
    const fault: RowContext<unknown>['fault'] = (kind, more) =>
      this.#nemesis.append({ e: 'fault', kind, seed: this.#seed, ...more })
    mkdirSync(join(this.#directory, 'work'))
    return {
      seed: this.#seed,
      random: createRandom(this.#seed),
      size: this.#row[size],
      isFull: size === 'full',
      minutesMs: minutes === undefined ? undefined : minutes * 60_000,
      directory: join(this.#directory, 'work'),
      queue,
      startRedis: (options) => this.#startRedis(options),
      connect: (url) => this.#connect(url),
      startWorker: (plan) => room.startWorker({ queue, ...plan }),
      startProducer: (plan) => room.startProducer({ queue, ...plan }),
      startScript: (script, plan) => room.startScript(script, { queue, ...plan }),
      plan: (count, input, from = 1) =>
        Array.from({ length: count }, (_, index) => {
          const n = from + index
          return { id: `j-${n}`, input: { n, ...input(n) } }
        }),
      finish: async (producer) => {
        const { code, signal } = await producer.ended
        if (code !== 0) throw new Error(`a producer ended with ${code ?? signal}:\n${producer.complaints()}`)
      },
      kill: async (victim, kind = 'SIGKILL') => {
        // Written down before: what starts after this line started after the kill, or at most as it came.
        fault(kind, { pid: victim.pid })
        victim.signal('SIGKILL')
        await victim.ended
      },
      killRedis: async (server) => {
        const down = await killRedis(this.#connect(server.url), server)
        this.#nemesis.append(down)
      },
      fault,
      ledger: this.#readLedger,
      recovered: (ms) => void this.#recoveries.push(ms),
      figure: (name, value) => {
        this.#figures[name] = value
      },
      require: (condition, kind, text) => {
        if (!condition) this.problems.push({ kind, text })
      },
      until: (what, condition, timeoutMs = PATIENCE_MS) => until(what, condition, timeoutMs),
      untilEnded: (url, count, timeoutMs = PATIENCE_MS) =>
        until(`${count} jobs have ended`, async () => (await this.#ended(url, queue)) >= count, timeoutMs),
      drain: (url, timeoutMs = DRAIN_PATIENCE_MS) =>
        until('the queue is drained', () => this.#isDrained(url, queue), timeoutMs),
      check: async ({ url, ...options }) => {
        const report = await check({
          ledger: this.#ledgerPath,
          redis: this.#connect(url),
          queue,
          servers: this.#servers.filter((server) => server.url === url),
          ...options,
        })
        this.reports.push(report)
        return report
      },
    }
  }

  async #startRedis(options: Parameters<typeof startTestRedis>[0] = {}): Promise<TestRedis> {
    const args = ['--auto-aof-rewrite-percentage', '0', ...(options.args ?? [])]
    const server = await startTestRedis({ appendonly: true, ...options, args })
    this.#servers.push(server)
    return server
  }

  #connect(url: string): RedisClient {
    const known = this.#clients.get(url)
    if (known) return known
    const client = url.startsWith('redis://')
      ? new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 100 })
      : createWorkerClient(parseRedisUrl(url))
    client.on('error', () => undefined)
    this.#clients.set(url, client)
    return client
  }

  async #ended(url: string, queue: string): Promise<number> {
    const { bullBase } = queueKeys('drover', queue)
    const redis = this.#connect(url)
    const [completed, failed] = await Promise.all([
      redis.zcard(`${bullBase}completed`),
      redis.zcard(`${bullBase}failed`),
    ])
    return completed + failed
  }

  async #isDrained(url: string, queue: string): Promise<boolean> {
    const { bullBase } = queueKeys('drover', queue)
    const redis = this.#connect(url)
    const keys = ['wait', 'active', 'paused', 'delayed', 'prioritized'].map((state) => bullBase + state)
    return (await redis.eval(COUNT_LEFT, keys.length, ...keys)) === 0
  }
}
