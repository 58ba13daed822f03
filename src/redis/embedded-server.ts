// The embedded Redis: a real redis-server or valkey-server of our own, for development, tests and the first run.
// Its data survives it in one folder (folder-lock.ts); its processes are started and ended in embedded-process.ts.

import { mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, isIP } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidOptionError, PortInUseError, RedisStartError } from '../job/index.js'
import { type EmbeddedRedisExit, type ServerProcess, startServerProcess } from './embedded-process.js'
import { type FolderLock, lockFolder } from './folder-lock.js'
import { findRedisBinary } from './redis-binary.js'
import { probeServer } from './server-probe.js'

export interface EmbeddedRedisOptions {
  /** Data folder, made when it is missing. One server at a time uses it. */
  readonly dir: string
  /** Default 0: a free port. */
  readonly port?: number
  /** A loopback address; default 127.0.0.1. Other machines never reach this server. */
  readonly host?: string
  /** Default none. It is never in an argument list, and on disk only while the server starts. */
  readonly password?: string
  /**
   * When the server forces its log of changes to the disk. A crash of the server loses nothing with any of them; a
   * crash of the machine can lose the last second with `everysec`, the default. `always` costs a disk write per change.
   */
  readonly appendfsync?: 'always' | 'everysec' | 'no'
  /** Path of the server program; by default findRedisBinary() looks for one. */
  readonly binary?: string
  /** Called once if the server ends without close(). The folder is free again by then. */
  readonly onExit?: (exit: EmbeddedRedisExit) => void
}

export interface EmbeddedRedis {
  /** `redis://…`, with the password when there is one. */
  readonly url: string
  readonly port: number
  /** Of the server itself. */
  readonly pid: number
  /** As the server names it: `7.0.15`. */
  readonly version: string
  /** Ends the server, its data written out, and frees the folder. Also when the server has ended already. */
  close(): Promise<void>
}

const START_TRIES = 3
const START_TIMEOUT_MS = 30_000
const KILL_AFTER_MS = 10_000
const PROBE_EVERY_MS = 20
const SHOWN_LOG_LINES = 5
const LOG_FILE = 'redis.log'
const CONFIG_FILE = 'redis.conf'

/**
 * Starts a server on `dir` and resolves when it answers, its earlier data loaded. It keeps this process alive until
 * close(), and ends when this process does, however that ends. Rejects with RedisBinaryMissingError,
 * RedisDirInUseError, PortInUseError or RedisStartError; then nothing is left running.
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  const host = options.host ?? '127.0.0.1'
  checkLoopback(host)
  const binary = options.binary ?? findRedisBinary()
  mkdirSync(options.dir, { recursive: true, mode: 0o700 })
  const dir = realpathSync(options.dir)
  const lock = await lockFolder(dir, KILL_AFTER_MS)
  try {
    const started = await startOnPort({ ...options, dir, host, binary }, lock)
    return watchOver(started, lock, options)
  } catch (error) {
    lock.release()
    throw error
  }
}

type StartOptions = EmbeddedRedisOptions & { readonly host: string; readonly binary: string }

interface StartedServer {
  readonly server: ServerProcess
  readonly pid: number
  readonly port: number
  readonly version: string
  readonly url: string
}

/** A free port can be taken by another program before the server binds it: then the next free one is tried. */
async function startOnPort(options: StartOptions, lock: FolderLock): Promise<StartedServer> {
  for (let tryNumber = 1; ; tryNumber += 1) {
    const port = await findPort(options.host, options.port ?? 0)
    try {
      return await startServer({ ...options, port }, lock)
    } catch (error) {
      const canTryAgain = !options.port && tryNumber < START_TRIES && !(await isFree(options.host, port))
      if (!canTryAgain) throw error
    }
  }
}

async function startServer(
  options: StartOptions & { readonly port: number },
  lock: FolderLock,
): Promise<StartedServer> {
  const { dir, host, port, password, binary } = options
  const configFile = join(dir, CONFIG_FILE)
  const logStart = statSync(join(dir, LOG_FILE), { throwIfNoEntry: false })?.size ?? 0
  rmSync(configFile, { force: true })
  writeFileSync(configFile, configText(options), { mode: 0o600, flag: 'wx' })
  let server: ServerProcess | undefined
  try {
    server = await startServerProcess({ binary, configFile, dir, killAfterMs: KILL_AFTER_MS })
    if (server.pid === undefined) throw new RedisStartError(dir, server.printed())
    lock.setServer(server.pid)
    const version = await waitUntilReady(server, options, logStart)
    // With the user named: redis-cli takes a URL without one for the user "".
    const signIn = password === undefined ? '' : `default:${encodeURIComponent(password)}@`
    const url = `redis://${signIn}${isIP(host) === 6 ? `[${host}]` : host}:${port}`
    return { server, pid: server.pid, port, version, url }
  } catch (error) {
    await server?.end()
    throw error
  } finally {
    rmSync(configFile, { force: true })
  }
}

/** Resolves to the version. Loading earlier data may take as long as it takes; being silent may not. */
async function waitUntilReady(
  server: ServerProcess,
  options: StartOptions & { readonly port: number },
  logStart: number,
): Promise<string> {
  let hasEnded = false
  void server.exited.then(() => {
    hasEnded = true
  })
  let deadline = performance.now() + START_TIMEOUT_MS
  while (!hasEnded) {
    const outcome = await probeServer(options)
    // Another pid: some other server has the port, and ours will soon end because of it.
    if (outcome.state === 'ready' && outcome.pid === server.pid) return outcome.version
    if (outcome.state === 'loading') deadline = performance.now() + START_TIMEOUT_MS
    if (performance.now() > deadline)
      throw new RedisStartError(options.dir, `no answer for ${START_TIMEOUT_MS / 1000} s`)
    await sleep(PROBE_EVERY_MS)
  }
  const reason = server.printed() || readLogEnd(join(options.dir, LOG_FILE), logStart)
  throw new RedisStartError(options.dir, `it ended at once: ${reason}`)
}

function watchOver(started: StartedServer, lock: FolderLock, options: EmbeddedRedisOptions): EmbeddedRedis {
  const { server, url, port, pid, version } = started
  let closing: Promise<void> | undefined
  const ended = server.exited.then((exit) => {
    lock.release()
    if (closing === undefined) options.onExit?.(exit)
  })
  const close = async () => {
    await server.end()
    await ended
  }
  return {
    url,
    port,
    pid,
    version,
    close: () => {
      closing ??= close()
      return closing
    },
  }
}

function configText(options: StartOptions & { readonly port: number }): string {
  const settings: [name: string, value: string][] = [
    ['bind', options.host],
    ['port', String(options.port)],
    ['protected-mode', 'yes'],
    ['dir', quote(options.dir)],
    ['logfile', LOG_FILE],
    ['daemonize', 'no'],
    ['save', '""'],
    ['appendonly', 'yes'],
    ['appendfsync', options.appendfsync ?? 'everysec'],
    ['maxmemory-policy', 'noeviction'],
  ]
  if (options.password !== undefined) settings.push(['requirepass', quote(options.password)])
  return settings.map(([name, value]) => `${name} ${value}\n`).join('')
}

/** As redis.conf reads it: bytes that are not plain letters, digits or path characters are written as \xHH. */
function quote(value: string): string {
  const bytes = [...Buffer.from(value, 'utf8')]
  const written = bytes.map((byte) => {
    const character = String.fromCharCode(byte)
    return /^[\w./-]$/.test(character) ? character : `\\x${byte.toString(16).padStart(2, '0')}`
  })
  return `"${written.join('')}"`
}

function checkLoopback(host: string): void {
  const isLoopback = host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  if (!isLoopback) throw new InvalidOptionError('host', 'a loopback address such as 127.0.0.1 or ::1', host)
}

/** `port` itself, or a free one for 0. */
function findPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer()
    listener.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new PortInUseError(port, { cause: error }) : error),
    )
    listener.listen({ port, host }, () => {
      const address = listener.address()
      listener.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}

function isFree(host: string, port: number): Promise<boolean> {
  return findPort(host, port).then(
    () => true,
    () => false,
  )
}

function readLogEnd(path: string, start: number): string {
  const log =
    statSync(path, { throwIfNoEntry: false }) === undefined ? '' : readFileSync(path).subarray(start).toString()
  const lines = log.trim().split('\n').slice(-SHOWN_LOG_LINES)
  return lines.join('\n') || 'it wrote no reason to its log'
}
