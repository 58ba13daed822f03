// The built `drover` command for process tests: builds dist/ once when it is stale, runs and starts commands in projects
// of their own, and sees to it that none of them outlives its test file.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { startTestRedis, type TestRedis } from './redis.js'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const MAIN = join(ROOT, 'dist', 'cli', 'main.js')

const LOCK = join(ROOT, '.setup', 'build-lock')
const STALE_LOCK_MS = 120_000
const WAIT_MS = 60_000

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Standard input; none by default, which is an input that ends at once. */
  readonly input?: string | Uint8Array
  /** Leaves standard input open, for the test to write to. */
  readonly keepInputOpen?: boolean
  /** `kill` reaches the command and all that it started in its process group, as Ctrl-C in a terminal does. */
  readonly ownGroup?: boolean
}

export interface RunningCommand {
  readonly pid: number
  readonly child: ChildProcess
  /** What it wrote so far. */
  stdout(): string
  stderr(): string
  /** Resolves when standard output or standard error has a match, with the match. */
  until(pattern: RegExp): Promise<RegExpMatchArray>
  kill(signal: NodeJS.Signals): void
  readonly finished: Promise<Finished>
}

/** Builds dist/ when it is not what src/ says. Several test files at once build it once. */
export async function buildDrover(): Promise<void> {
  const stamp = new URL('../../scripts/setup/build-stamp.mjs', import.meta.url).href
  const { buildIfStale } = (await import(stamp)) as { buildIfStale: (root: string) => void }
  await lockBuild()
  try {
    buildIfStale(ROOT)
  } finally {
    rmSync(LOCK, { recursive: true, force: true })
  }
}

async function lockBuild(): Promise<void> {
  mkdirSync(dirname(LOCK), { recursive: true })
  for (;;) {
    try {
      mkdirSync(LOCK)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const lockedAt = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
      // Whoever held it was killed.
      if (Date.now() - lockedAt > STALE_LOCK_MS) rmSync(LOCK, { recursive: true, force: true })
      await sleep(50)
    }
  }
}

const running = new Set<ChildProcess>()

/** Starts `drover` with these words. */
export function startDrover(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  return startCommand(process.execPath, [MAIN, ...args], options)
}

/** Runs `drover` with these words to its end. */
export function runDrover(args: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  return startDrover(args, options).finished
}

/** Runs several commands one after another in one process: for many that are short. */
export async function runDroverBatch(
  commands: readonly (readonly string[])[],
  options: CommandOptions = {},
): Promise<Finished[]> {
  const batch = fileURLToPath(new URL('drover-batch.mjs', import.meta.url))
  const words = [batch, join(ROOT, 'dist', 'cli', 'run.js'), JSON.stringify(commands)]
  const { stdout, stderr } = await startCommand(process.execPath, words, options).finished
  if (stderr !== '') throw new Error(stderr)
  return JSON.parse(stdout) as Finished[]
}

export function startCommand(
  program: string,
  args: readonly string[],
  { cwd = tmpdir(), env = {}, input = '', keepInputOpen = false, ownGroup = false }: CommandOptions = {},
): RunningCommand {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  const child = spawn(program, args, {
    cwd,
    env: { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: ownGroup,
  })
  running.add(child)
  const pid = child.pid ?? 0
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A command that ends without reading its input closes the pipe.
  child.stdin.on('error', () => undefined)
  if (keepInputOpen) child.stdin.write(input)
  else child.stdin.end(input)
  const finished = once(child, 'close').then(([code, signal]) => {
    running.delete(child)
    return { code, signal, stdout, stderr } as Finished
  })
  return {
    pid,
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    until: (pattern) => untilMatch(child, pattern, () => `${stdout}\n${stderr}`),
    kill: (signal) => void (ownGroup ? process.kill(-pid, signal) : child.kill(signal)),
    finished,
  }
}

async function untilMatch(child: ChildProcess, pattern: RegExp, read: () => string): Promise<RegExpMatchArray> {
  const deadline = Date.now() + WAIT_MS
  for (;;) {
    const match = read().match(pattern)
    if (match !== null) return match
    // One that has exited may have written what is still to be read: `running` has it until both streams are closed.
    if (!running.has(child) || Date.now() > deadline) throw new Error(`no match for ${pattern} in:\n${read()}`)
    await sleep(20)
  }
}

/** True while a process of this pid is there and has not ended. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // One that has ended keeps its pid until its parent asks for it, which a container's first process may never do.
    return !/^State:\s+Z/m.test(existsSync('/proc/self/status') ? readFileSync(`/proc/${pid}/status`, 'utf8') : '')
  } catch {
    return false
  }
}

const folders: string[] = []

export interface Project {
  readonly redis: TestRedis
  readonly cwd: string
  /** Tells commands where the Redis is. */
  readonly env: Record<string, string>
}

/** The built command, a Redis, and a project of these files for the tests of a file. Call it at the top of the file. */
export async function useProject(files: Readonly<Record<string, string>> = {}): Promise<Project> {
  await buildDrover()
  const redis = await startTestRedis()
  afterAll(() => redis.close())
  return { redis, cwd: makeProject(files), env: { REDIS_URL: redis.url } }
}

/** A directory of its own, with these files, in which `drover` and `zod` can be imported. Removed after the test file. */
export function makeProject(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'drover-cli-'))
  folders.push(folder)
  linkPackages(folder, ['zod'])
  write(folder, 'package.json', '{ "type": "module" }')
  for (const [path, text] of Object.entries(files)) write(folder, path, text)
  return folder
}

/** Puts Drover and some of its packages where a project finds them, as npm would. */
export function linkPackages(folder: string, packages: readonly string[]): void {
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(ROOT, join(folder, 'node_modules', 'drover'))
  for (const name of packages) symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
}

export function write(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

afterAll(async () => {
  for (const child of running) child.kill('SIGKILL')
  await Promise.all([...running].map((child) => (child.exitCode === null ? once(child, 'close') : undefined)))
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})
