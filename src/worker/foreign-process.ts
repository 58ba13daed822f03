// One run of a handler's program: its streams, all of them bounded, and its end, asked for first and then forced.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { CommandNotStartedError, TooLargeError } from '../job/index.js'
import type { JobContext } from './context.js'
import type { Program } from './foreign-command.js'
import { endWithWorker, type ProgramGroup, signalGroup } from './program-guard.js'

/** Lines of standard error that go to the job's log, and characters of each. What follows is counted, not kept. */
const MAX_LINES = 1_000
const MAX_LINE_CHARACTERS = 8_192
/** How long what a program started may keep its output open when the program itself has ended. */
const LEFT_OPEN_MS = 1_000

type Running = ChildProcessByStdio<Writable, Readable, Readable>

export interface ProgramRun {
  readonly stdin: string
  readonly env: Readonly<Record<string, string>>
  readonly maxOutputBytes: number
  readonly ctx: JobContext
}

export interface CommandEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly lastLine: string
}

/** Resolves when the program has ended. @throws CommandNotStartedError; TooLargeError; the reason of `ctx.signal` */
export function runProgram(program: Program, { stdin, env, maxOutputBytes, ctx }: ProgramRun): Promise<CommandEnd> {
  return new Promise((resolve, reject) => {
    const { child, group } = start(program, env)
    const signalProgram = (signal: NodeJS.Signals) => group && signalGroup(group, signal)
    let timer: NodeJS.Timeout | undefined
    const killIn = (ms: number) => {
      clearTimeout(timer)
      timer = setTimeout(() => signalProgram('SIGKILL'), ms)
    }
    const abort = () => {
      reject(ctx.signal.reason)
      signalProgram('SIGTERM')
      killIn(program.killGraceMs)
    }
    ctx.signal.addEventListener('abort', abort)
    child.once('error', (cause) => {
      if (child.pid === undefined) reject(new CommandNotStartedError(program.name, { cause }))
    })
    const readStdout = collect(child.stdout, maxOutputBytes, (bytes) => {
      reject(new TooLargeError('result', bytes, maxOutputBytes))
      signalProgram('SIGKILL')
    })
    const readLastLine = logLines(child.stderr, ctx)
    // A program that ends without reading its input closes the pipe.
    child.stdin.on('error', () => undefined)
    child.stdin.end(stdin)
    child.once('exit', () => {
      // What it leaves behind must not outlive an attempt that is over, nor keep one waiting that is not.
      if (ctx.signal.aborted) signalProgram('SIGKILL')
      else killIn(LEFT_OPEN_MS)
    })
    child.once('close', (exitCode, signal) => {
      clearTimeout(timer)
      ctx.signal.removeEventListener('abort', abort)
      resolve({ exitCode, signal, stdout: readStdout(), lastLine: readLastLine() })
    })
  })
}

function start(
  { name, args, cwd, env: own }: Program,
  env: Readonly<Record<string, string>>,
): { readonly child: Running; readonly group: ProgramGroup | undefined } {
  try {
    // A group of its own, so that a signal reaches what the program starts, and Ctrl-C in a terminal does not reach it.
    const child = spawn(name, args, {
      cwd,
      env: { ...process.env, ...env, ...own },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    return { child, group: endWithWorker(child) }
  } catch (cause) {
    throw new CommandNotStartedError(name, { cause })
  }
}

function collect(stream: Readable, maxBytes: number, onTooLarge: (bytes: number) => void): () => Buffer {
  let chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxBytes) chunks.push(chunk)
    else if (chunks.length > 0 || bytes === chunk.length) {
      chunks = []
      onTooLarge(bytes)
    }
  })
  return () => Buffer.concat(chunks)
}

function logLines(stream: Readable, { log }: JobContext): () => string {
  let line = ''
  let last = ''
  let count = 0
  const take = () => {
    const text = line.trimEnd()
    line = ''
    if (text === '') return
    last = text
    if (++count <= MAX_LINES) log.info(text)
  }
  stream.setEncoding('utf8').on('data', (text: string) => {
    for (const [index, part] of text.split('\n').entries()) {
      if (index > 0) take()
      line += part.slice(0, MAX_LINE_CHARACTERS - line.length)
    }
  })
  stream.on('end', () => {
    take()
    if (count > MAX_LINES) log.warn({ dropped: count - MAX_LINES }, 'the program wrote more lines than are kept')
  })
  return () => last
}
