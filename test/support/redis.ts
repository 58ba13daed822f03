// Real Redis servers for tests, each alone in a temporary directory and on a port of its own. redis-keeper.mjs ends the
// server and removes the directory, also when the test process is killed.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface TestRedisOptions {
  readonly password?: string
  /** Further redis-server arguments; those given here win. */
  readonly args?: readonly string[]
  /**
   * What is written to disk. By default an append-only file that the server never waits for: jobs survive its end, as a
   * worker asks for. True: with Redis's own appendfsync, everysec. False: nothing, which a worker refuses.
   */
  readonly appendonly?: boolean
  /** Starts a sentinel that watches the master at this port as "mymaster". */
  readonly sentinelOf?: number
}

export interface TestRedis {
  readonly url: string
  readonly host: string
  readonly port: number
  readonly password: string | undefined
  /** The server's own directory: append-only file, log, `redis.sock`. Removed by `close`. */
  readonly directory: string
  /** Runs redis-cli on this server and gives its output without the last line break. */
  cli(...args: string[]): Promise<string>
  /** Resolves when the server was sent the signal, and has ended by it unless it is SIGSTOP or SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts the server again on the same port and directory; ends it with SIGTERM first when it still runs. */
  restart(): Promise<void>
  close(): Promise<void>
}

const HOST = '127.0.0.1'
const PORT_ATTEMPTS = 5
const START_TIMEOUT_MS = 60_000
const KEEPER = fileURLToPath(new URL('redis-keeper.mjs', import.meta.url))

class PortTaken extends Error {}

/** Starts a server and resolves when it answers. Close it in `afterAll`, or it ends with the test process. */
export async function startTestRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnPort(await freePort(), options)
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === PORT_ATTEMPTS) throw error
    }
  }
}

// Below the ports that the system itself gives to sockets, and a range for each worker of vitest: a port that was found
// free is not taken by another test, or by a connection, before it is used, nor while its server is down.
const FIRST_PORT = 10_000
const PORTS_EACH = 4_000
const POOL = Number(process.env.VITEST_POOL_ID ?? 0) % 5
const given = new Set<number>()

/** A loopback port that nothing listens on, another each time. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + POOL * PORTS_EACH + randomInt(PORTS_EACH)
    if (!given.has(port) && (await isFree(port))) {
      given.add(port)
      return port
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, HOST, () => server.close(() => resolve(true)))
  })
}

async function startOnPort(port: number, options: TestRedisOptions): Promise<TestRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'drover-test-redis-'))
  const keeper = new Keeper(directory, findProgram('server'), serverArguments(directory, port, options))
  const { password } = options
  const signIn = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  try {
    await keeper.start()
  } catch (error) {
    await keeper.close()
    throw error
  }
  return {
    url: `redis://${signIn}${HOST}:${port}`,
    host: HOST,
    port,
    password,
    directory,
    cli: (...args) => runCli(port, password, args),
    kill: (signal = 'SIGKILL') => keeper.signal(signal),
    restart: async () => {
      await keeper.signal('SIGTERM')
      await keeper.start()
    },
    close: () => keeper.close(),
  }
}

function serverArguments(directory: string, port: number, options: TestRedisOptions): string[] {
  const place = ['--bind', HOST, '--port', `${port}`, '--dir', directory, '--unixsocket', 'redis.sock']
  const common = [...place, '--logfile', 'redis.log']
  const signIn = options.password === undefined ? [] : ['--requirepass', options.password]
  const own = [...signIn, ...(options.args ?? [])]
  if (options.sentinelOf !== undefined) {
    // Sentinel rewrites its configuration file, so it must be given as one.
    const file = join(directory, 'sentinel.conf')
    writeFileSync(file, `sentinel monitor mymaster ${HOST} ${options.sentinelOf} 1\n`)
    return [file, '--sentinel', ...common, ...own]
  }
  const fsync = options.appendonly === undefined ? ['--appendfsync', 'no'] : []
  return [...common, '--save', '', '--appendonly', options.appendonly === false ? 'no' : 'yes', ...fsync, ...own]
}

// The other end of redis-keeper.mjs.
class Keeper {
  readonly #directory: string
  readonly #process: ChildProcess
  #running = false
  /** How many of them the server was sent. */
  #signals = 0
  #failure: string | undefined

  constructor(directory: string, program: string, args: readonly string[]) {
    this.#directory = directory
    // Detached: Ctrl-C in the terminal reaches the test process alone, whose end then ends the keeper.
    this.#process = spawn(process.execPath, [KEEPER, directory, program, ...args], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#process.stdin?.on('error', () => this.#note('failed the keeper of this server is gone'))
    if (this.#process.stdout !== null) {
      createInterface({ input: this.#process.stdout }).on('line', (line) => this.#note(line))
    }
  }

  async start(): Promise<void> {
    this.#running = true
    this.#failure = undefined
    this.#send('start')
    const deadline = Date.now() + START_TIMEOUT_MS
    // The socket in the server's own directory, as another server may answer on the port.
    while (!(await answersPing(join(this.#directory, 'redis.sock')))) {
      if (this.#failure !== undefined) throw new Error(this.#failure)
      if (!this.#running) throw this.#startError()
      if (Date.now() > deadline) throw new Error(`the server did not answer in time:\n${this.#log()}`)
      await sleep(10)
    }
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    if (!this.#running) return
    const before = this.#signals
    this.#send(`signal ${signal}`)
    while (this.#signals === before && this.#running && this.#failure === undefined) await sleep(1)
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
    while (this.#running && this.#failure === undefined) await sleep(5)
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.stdin?.end()
    await exited
  }

  #send(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  #note(line: string): void {
    if (line === 'exited') this.#running = false
    if (line === 'signalled') this.#signals++
    if (line.startsWith('failed ')) this.#failure = line
  }

  #startError(): Error {
    const log = this.#log()
    return /Address already in use|Failed listening/.test(log)
      ? new PortTaken(log)
      : new Error(`the server ended:\n${log}`)
  }

  #log(): string {
    const file = join(this.#directory, 'redis.log')
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-2_000) : 'no log was written'
  }
}

// A password error is an answer too; LOADING is not yet one.
function answersPing(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    const settle = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(1_000, () => settle(false))
    socket.on('connect', () => socket.write('PING\r\n'))
    socket.on('error', () => settle(false))
    socket.on('close', () => resolve(false))
    socket.on('data', (reply) => settle(/^(\+PONG|-NOAUTH)/.test(reply.toString())))
  })
}

/** The records of thousands of jobs at once, say. */
const MAX_CLI_OUTPUT = 64 * 1024 * 1024

async function runCli(port: number, password: string | undefined, args: readonly string[]): Promise<string> {
  const env = password === undefined ? process.env : { ...process.env, REDISCLI_AUTH: password }
  const words = ['-h', HOST, '-p', `${port}`, ...args]
  const { stdout } = await promisify(execFile)(findProgram('cli'), words, { env, maxBuffer: MAX_CLI_OUTPUT })
  return stdout.replace(/\n$/, '')
}

function findProgram(kind: 'server' | 'cli'): string {
  for (const name of [`redis-${kind}`, `valkey-${kind}`]) {
    for (const directory of (process.env.PATH ?? '').split(delimiter)) {
      if (isExecutable(join(directory, name))) return join(directory, name)
    }
  }
  throw new Error(`neither redis-${kind} nor valkey-${kind} is on PATH`)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
