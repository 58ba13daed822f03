// A real Postgres for tests, in a temporary directory and on a loopback port of its own. redis-keeper.mjs ends the server
// and removes the directory, also when the test process is killed.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { freePort } from './redis.js'

export interface TestPostgres {
  /** `postgres://drover@127.0.0.1:<port>/postgres`, without a password. */
  readonly url: string
  /** SIGKILL ends it as a crash does, SIGINT in order; waits for its end. */
  kill(signal?: 'SIGKILL' | 'SIGINT'): Promise<void>
  /** Starts it again on the same port and directory. */
  start(): Promise<void>
  close(): Promise<void>
}

const KEEPER = fileURLToPath(new URL('redis-keeper.mjs', import.meta.url))
const PROGRAMS = new URL('../../scripts/setup/postgres-programs.mjs', import.meta.url)
const START_TIMEOUT_MS = 60_000
const HOST = '127.0.0.1'

/** Starts a server and resolves when it answers. Close it in `afterAll`, or it ends with the test process. */
export async function startTestPostgres(): Promise<TestPostgres> {
  const { findPostgresProgram } = (await import(PROGRAMS.href)) as {
    findPostgresProgram: (name: string) => string | undefined
  }
  const [initdb, postgres] = ['initdb', 'postgres'].map(findPostgresProgram)
  if (initdb === undefined || postgres === undefined) throw new Error('initdb and postgres are not installed')
  const directory = mkdtempSync(join(tmpdir(), 'drover-test-postgres-'))
  const asUser = withoutRoot(directory)
  const data = join(directory, 'data')
  const make = [...asUser, initdb, '-D', data, '-A', 'trust', '-U', 'drover', '-E', 'UTF8', '--locale=C', '--no-sync']
  execFileSync(make[0] as string, make.slice(1), { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
  const port = await freePort()
  const place = ['-D', data, '-p', `${port}`, '-h', HOST, '-k', directory]
  const server = [
    ...asUser,
    postgres,
    ...place,
    '-c',
    'fsync=off',
    '-c',
    'logging_collector=on',
    '-c',
    'log_directory=.',
  ]
  const keeper = new PostgresKeeper(directory, server, `postgres://drover@${HOST}:${port}/postgres`)
  try {
    await keeper.start()
  } catch (error) {
    await keeper.close()
    throw error
  }
  return keeper
}

/** Postgres does not run as root: root runs it as `nobody`. */
function withoutRoot(directory: string): string[] {
  if (process.getuid?.() !== 0) return []
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' })))
  if (uid === undefined || gid === undefined) throw new Error('there is no user nobody')
  chownSync(directory, uid, gid)
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']
}

class PostgresKeeper implements TestPostgres {
  readonly url: string
  readonly #directory: string
  readonly #process: ChildProcess
  #running = false

  constructor(directory: string, server: readonly string[], url: string) {
    this.url = url
    this.#directory = directory
    this.#process = spawn(process.execPath, [KEEPER, directory, ...server], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#process.stdin?.on('error', () => this.#note('exited'))
    if (this.#process.stdout !== null) {
      createInterface({ input: this.#process.stdout }).on('line', (line) => this.#note(line))
    }
  }

  async start(): Promise<void> {
    this.#running = true
    this.#process.stdin?.write('start\n')
    const deadline = Date.now() + START_TIMEOUT_MS
    while (!(await this.#answers())) {
      if (!this.#running) throw new Error(`Postgres ended:\n${this.#log()}`)
      if (Date.now() > deadline) throw new Error(`Postgres did not answer in time:\n${this.#log()}`)
      await sleep(50)
    }
  }

  async kill(signal: 'SIGKILL' | 'SIGINT' = 'SIGKILL'): Promise<void> {
    if (!this.#running) return
    this.#process.stdin?.write(`signal ${signal}\n`)
    while (this.#running) await sleep(10)
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return
    // In order: a killed one would leave its shared memory.
    await this.kill('SIGINT')
    const exited = once(this.#process, 'exit')
    this.#process.stdin?.end()
    await exited
  }

  #note(line: string): void {
    if (line === 'exited' || line.startsWith('failed ')) this.#running = false
  }

  async #answers(): Promise<boolean> {
    const client = new pg.Client({ connectionString: this.url, connectionTimeoutMillis: 2_000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query('SELECT 1')
      return true
    } catch {
      return false
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  #log(): string {
    const log = join(this.#directory, 'data', 'postmaster.pid')
    return existsSync(log) ? readFileSync(log, 'utf8') : 'its log is in the data folder, which has no postmaster.pid'
  }
}
