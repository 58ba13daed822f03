import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { InvalidOptionError, PortInUseError, RedisDirInUseError, RedisStartError } from '../../src/job/index.js'
import {
  type EmbeddedRedis,
  type EmbeddedRedisExit,
  type EmbeddedRedisOptions,
  findRedisBinary,
  startEmbeddedRedis,
} from '../../src/redis/index.js'
import { PATIENCE } from '../support/until.js'

const OWNER = fileURLToPath(new URL('embedded-owner.ts', import.meta.url))
const run = promisify(execFile)

let dir: string
let open: { close(): Promise<void> }[]

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'drover-embedded-'))
  open = []
})

afterEach(async () => {
  for (const item of open) await item.close()
  rmSync(dir, { recursive: true })
})

async function start(options: Partial<EmbeddedRedisOptions> = {}): Promise<EmbeddedRedis> {
  const server = await startEmbeddedRedis({ dir, ...options })
  open.push(server)
  return server
}

async function cli(url: string, ...args: string[]): Promise<string> {
  const program = findRedisBinary().replace(/server$/, 'cli')
  const { stdout } = await run(program, ['-u', url, '--no-auth-warning', ...args])
  return stdout.trim()
}

const waitUntil = (condition: () => void | Promise<void>) => vi.waitFor(condition, PATIENCE)
const waitUntilGone = (pid: number) => waitUntil(() => expect(isThere(pid), `process ${pid} is there`).toBe(false))

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // An ended process that nobody reaped yet still has its pid.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux'
  }
}

const parentOf = (pid: number) => askPs('ppid', pid)
const groupOf = (pid: number) => askPs('pgid', pid)

async function askPs(field: string, pid: number): Promise<number> {
  const { stdout } = await run('ps', ['-o', `${field}=`, '-p', String(pid)])
  return Number(stdout)
}

async function startOwner(): Promise<{ owner: ChildProcess; server: { url: string; pid: number; port: number } }> {
  const owner = spawn(process.execPath, ['--import', 'tsx', OWNER, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  open.push({
    close: async () => {
      if (owner.exitCode !== null || owner.signalCode !== null) return
      owner.kill('SIGKILL')
      await once(owner, 'exit')
    },
  })
  const [line] = await once(createInterface({ input: owner.stdout }), 'line')
  return { owner, server: JSON.parse(line as string) }
}

test('data survives a SIGKILL of the server and a start on the same folder', async () => {
  const exits: EmbeddedRedisExit[] = []
  const first = await start({ onExit: (exit) => exits.push(exit) })
  await cli(first.url, 'SET', 'kept', 'yes')

  process.kill(first.pid, 'SIGKILL')
  await waitUntil(() => expect(exits).toEqual([{ code: null, signal: 'SIGKILL' }]))

  const second = await start()
  expect(await cli(second.url, 'GET', 'kept')).toBe('yes')
})

test('data survives close and a start on the same folder', async () => {
  const first = await start({ appendfsync: 'no' })
  await cli(first.url, 'SET', 'kept', 'yes')
  await first.close()

  const second = await start()
  expect(await cli(second.url, 'GET', 'kept')).toBe('yes')
})

test('a second start on a folder is refused with the pid of its owner, and the first is not disturbed', async () => {
  const { owner, server } = await startOwner()
  const refusal = await startEmbeddedRedis({ dir }).catch((error: unknown) => error)

  expect(refusal).toBeInstanceOf(RedisDirInUseError)
  expect(refusal).toMatchObject({ code: 'REDIS_DIR_IN_USE', pid: owner.pid, dir })
  expect(await cli(server.url, 'PING')).toBe('PONG')
})

test('the server of a killed owner ends, and the next start on its folder finds the data', async () => {
  const { owner, server } = await startOwner()
  await cli(server.url, 'SET', 'kept', 'yes')

  owner.kill('SIGKILL')
  await waitUntilGone(server.pid)

  const next = await start()
  expect(await cli(next.url, 'GET', 'kept')).toBe('yes')
})

test('a start on a folder ends the server that a killed owner and its killed watchdog left behind', async () => {
  const { owner, server } = await startOwner()
  const watchdog = await parentOf(server.pid)
  // Stopped, the owner cannot end the server itself when it sees the watchdog gone.
  owner.kill('SIGSTOP')
  process.kill(watchdog, 'SIGKILL')
  owner.kill('SIGKILL')
  await waitUntilGone(watchdog)
  await waitUntilGone(owner.pid as number)
  expect(isThere(server.pid)).toBe(true)

  await start()
  expect(isThere(server.pid)).toBe(false)
})

test('of several starts at once on the folder of a killed owner one wins and the others are refused', async () => {
  const { owner, server } = await startOwner()
  owner.kill('SIGKILL')
  await waitUntilGone(owner.pid as number)

  const starts = await Promise.allSettled([start(), start(), start()])
  const refusals = starts.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason.code)
  expect(refusals).toEqual(['REDIS_DIR_IN_USE', 'REDIS_DIR_IN_USE'])
  expect(isThere(server.pid)).toBe(false)
  expect(readdirSync(dir).filter((name) => name.startsWith('owner.json'))).toEqual(['owner.json'])
})

test('a Ctrl-C in the terminal of its owner does not reach the server', async () => {
  const { owner, server } = await startOwner()
  const lines = createInterface({ input: owner.stdout as NodeJS.ReadableStream })
  const interrupted = once(lines, 'line')
  process.kill(-(owner.pid as number), 'SIGINT')

  expect(await interrupted).toEqual(['interrupted'])
  expect(await groupOf(server.pid)).not.toBe(owner.pid)
  expect(await cli(server.url, 'PING')).toBe('PONG')
})

test('a server whose watchdog is killed ends too, and onExit says so', async () => {
  const exits: EmbeddedRedisExit[] = []
  const server = await start({ onExit: (exit) => exits.push(exit) })
  process.kill(await parentOf(server.pid), 'SIGKILL')

  await waitUntil(() => expect(exits).toHaveLength(1))
  expect(isThere(server.pid)).toBe(false)
})

test('close ends both processes, frees the port and does not call onExit', async () => {
  const onExit = vi.fn()
  const server = await start({ onExit })
  const watchdog = await parentOf(server.pid)
  await Promise.all([server.close(), server.close()])

  expect(isThere(server.pid)).toBe(false)
  expect(isThere(watchdog)).toBe(false)
  const again = await start({ port: server.port })
  expect(again.port).toBe(server.port)
  expect(onExit).not.toHaveBeenCalled()
})

test('the server is append-only, evicts nothing and listens on loopback alone', async () => {
  const server = await start()
  const setting = async (name: string) => (await cli(server.url, 'CONFIG', 'GET', name)).split('\n')[1] ?? ''

  expect(await setting('appendonly')).toBe('yes')
  expect(await setting('appendfsync')).toBe('everysec')
  expect(await setting('maxmemory-policy')).toBe('noeviction')
  expect(await setting('save')).toBe('')
  expect(await setting('protected-mode')).toBe('yes')
  expect(await setting('bind')).toBe('127.0.0.1')
  expect(await cli(server.url, 'INFO', 'server')).toContain(`:${server.version}`)
})

test('a password is asked for, is in no argument list and stays in no file', async () => {
  const password = 'one "pw7391" \\pw2846\'s é'
  const server = await start({ password })

  expect(await cli(`redis://127.0.0.1:${server.port}`, 'PING')).toContain('NOAUTH')
  expect(await cli(server.url, 'PING')).toBe('PONG')
  const { stdout } = await run('ps', ['-axww', '-o', 'args='])
  expect(stdout).toContain('embedded-watchdog')
  expect(stdout).not.toContain('pw7391')
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const file of files) expect(readFileSync(join(file.parentPath, file.name), 'utf8')).not.toContain('pw2846')
})

test('what NODE_OPTIONS loads into this process is not loaded into the watchdog', async () => {
  vi.stubEnv('NODE_OPTIONS', `--import ${join(dir, 'absent.mjs')}`)
  const server = await start().finally(() => vi.unstubAllEnvs())
  expect(await cli(server.url, 'PING')).toBe('PONG')
})

test('a port in use is refused by name, and the folder stays free', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const refusal = await startEmbeddedRedis({ dir, port }).catch((error: unknown) => error)
  other.close()

  expect(refusal).toBeInstanceOf(PortInUseError)
  expect(refusal).toMatchObject({ port })
  await start()
})

test('an address that other machines reach is refused', async () => {
  await expect(startEmbeddedRedis({ dir, host: '0.0.0.0' })).rejects.toThrow(InvalidOptionError)
})

test('a server that cannot read its data names the reason, and nothing is left running', async () => {
  const first = await start()
  await cli(first.url, 'SET', 'a', '1')
  await first.close()
  const [log] = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.incr.aof'))
  writeFileSync(join(dir, log as string), 'not a log of changes\n')

  const refusal = await startEmbeddedRedis({ dir }).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(RedisStartError)
  expect((refusal as RedisStartError).reason).toMatch(/bad file format/i)
  expect(readdirSync(dir)).not.toContain('owner.json')
})

test('a program that cannot be run is named in the error', async () => {
  const binary = join(dir, 'redis-server')
  await expect(startEmbeddedRedis({ dir, binary })).rejects.toThrow(`spawn ${binary} ENOENT`)

  writeFileSync(binary, '#!/bin/sh\necho "cannot open shared library" >&2; exit 127\n')
  chmodSync(binary, 0o755)
  await expect(startEmbeddedRedis({ dir, binary })).rejects.toThrow('cannot open shared library')
})
