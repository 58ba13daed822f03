// Handlers that are programs of any language: the input is JSON on standard input, the result JSON on standard output, the
// exit code says how it went. The process itself is foreign-process.ts.
import { fileURLToPath } from 'node:url'
import {
  type AnyJobContract,
  CommandFailedError,
  CommandOutputError,
  type Duration,
  encodeJson,
  InvalidOptionError,
  isJobContract,
  PermanentError,
  retryIn,
  snooze,
  suggest,
  UnknownOptionError,
} from '../job/index.js'
import type { JobContext } from './context.js'
import { type CommandEnd, runProgram } from './foreign-process.js'
import { type Handler, handle } from './handle.js'
import { readKillGrace } from './isolation.js'
import type { RetryDelay } from './retry-delay.js'

export interface CommandOptions {
  /** The program and its arguments; no shell reads them. A name without a slash is looked for in PATH. */
  readonly command: readonly [program: string, ...args: string[]]
  /** Folder the program runs in. Default: that of the worker. */
  readonly cwd?: string | URL
  /** Variables beside those of the worker, which the program has too. */
  readonly env?: Readonly<Record<string, string>>
  /**
   * What standard output holds. `result`, the default: the result, nothing at all being `null`. `envelope`: an object with
   * `result` and `counters`, whole numbers by name, which commit with it; or with `retryIn` or `snooze`, a duration, and
   * perhaps a `reason`, alone: then the attempt ends as it does with these errors.
   */
  readonly output?: 'result' | 'envelope'
  /** As for `handle`: needed with `backoff: { type: 'custom' }` of the contract, and only there. */
  readonly retryDelay?: RetryDelay
  /** From SIGTERM, when the attempt is over, to SIGKILL. Default `1s`, 0 to `60s`. Both go to all that the program started. */
  readonly killGrace?: Duration
}

/** The exit code that fails the job for good: EX_DATAERR of sysexits.h. Every other one but 0 fails the attempt. */
export const PERMANENT_EXIT_CODE = 65
/** Most bytes of an envelope beside its result. */
const MAX_COUNTER_BYTES = 65_536
/** A schema may make more of an input than was enqueued; this is what a program is given at most. */
const MAX_INPUT_BYTES = 67_108_864

const OPTION_NAMES = ['command', 'cwd', 'env', 'output', 'retryDelay', 'killGrace']

/**
 * Binds a program to a contract: it runs once for each attempt, in a process group of its own.
 * @throws InvalidOptionError, UnknownOptionError
 */
export function handleCommand<Contract extends AnyJobContract>(
  contract: Contract,
  options: CommandOptions,
): Handler<Contract> {
  if (!isJobContract(contract)) throw new InvalidOptionError('contract', 'what defineJob returned', contract)
  const program = checkCommand(options)
  const run = async (input: unknown, ctx: JobContext): Promise<unknown> => {
    const limit = contract.maxResultBytes + (program.isEnvelope ? MAX_COUNTER_BYTES : 0)
    const end = await runProgram(program, {
      stdin: encodeJson(input, { maxBytes: MAX_INPUT_BYTES, what: 'input' }),
      env: variablesOf(ctx),
      maxOutputBytes: limit,
      ctx,
    })
    refuseFailure(program.name, end)
    // The output schema checks it, as it does what a function returns.
    return readOutput(program, end.stdout, ctx)
  }
  const { retryDelay } = options
  return handle(contract, run as Parameters<typeof handle<Contract>>[1], retryDelay === undefined ? {} : { retryDelay })
}

export interface Program {
  readonly name: string
  readonly args: readonly string[]
  readonly cwd: string | undefined
  readonly env: Readonly<Record<string, string>>
  readonly isEnvelope: boolean
  readonly killGraceMs: number
}

function checkCommand(options: CommandOptions): Program {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError('options', "an object of options, such as { command: ['python3', 'job.py'] }", options)
  }
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.includes(name)) throw new UnknownOptionError(name, suggest(name, OPTION_NAMES), 'handleCommand')
  }
  const { command, cwd, env = {}, output = 'result', killGrace } = options
  const isCommand = Array.isArray(command) && command.length > 0 && command[0] !== '' && command.every(isWord)
  if (!isCommand)
    throw new InvalidOptionError('command', 'a program and its arguments, each a text without NUL', command)
  if (output !== 'result' && output !== 'envelope') {
    throw new InvalidOptionError('output', "'result' or 'envelope'", output)
  }
  const isEnv = typeof env === 'object' && env !== null && Object.values(env).every(isWord)
  if (!isEnv) throw new InvalidOptionError('env', 'an object of texts', env)
  const folder = cwd instanceof URL ? fileURLToPath(cwd) : cwd
  if (folder !== undefined && !isWord(folder)) throw new InvalidOptionError('cwd', 'the path of a folder', folder)
  const [name, ...args] = command
  return { name, args, cwd: folder, env, isEnvelope: output === 'envelope', killGraceMs: readKillGrace(killGrace) }
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && !value.includes('\0')
}

function variablesOf({ id, job, queue, attempt, attempts, fence }: JobContext): Record<string, string> {
  return {
    DROVER_JOB_ID: id,
    DROVER_JOB: job,
    DROVER_QUEUE: queue,
    DROVER_ATTEMPT: String(attempt),
    DROVER_ATTEMPTS: String(attempts),
    DROVER_FENCE: String(fence.token),
  }
}

function refuseFailure(name: string, { exitCode, signal, lastLine }: CommandEnd): void {
  if (exitCode === 0) return
  const failure = new CommandFailedError(name, signal === null ? { exitCode: exitCode ?? -1 } : { signal }, lastLine)
  if (exitCode === PERMANENT_EXIT_CODE) throw new PermanentError(failure.message, { cause: failure })
  throw failure
}

function readOutput({ name, isEnvelope }: Program, stdout: Buffer, ctx: JobContext): unknown {
  const value = parse(name, stdout)
  if (!isEnvelope) return value
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const envelope = (isObject ? value : {}) as Record<string, unknown>
  if ('retryIn' in envelope || 'snooze' in envelope) throw readDelay(name, envelope)
  const { result, counters = {}, ...others } = envelope
  const hasCounters = typeof counters === 'object' && counters !== null && !Array.isArray(counters)
  if (!isObject || !hasCounters || Object.keys(others).length > 0) {
    throw new CommandOutputError(name, 'it is no envelope, an object with "result" and "counters" alone')
  }
  for (const [counter, delta] of Object.entries(counters)) ctx.counter(counter).add(delta as number)
  return result
}

/** What an envelope that asks for another run ends its attempt with. */
function readDelay(name: string, { reason, ...asked }: Record<string, unknown>): Error {
  const [kind, ...more] = Object.keys(asked)
  if (more.length > 0 || (reason !== undefined && typeof reason !== 'string')) {
    return new CommandOutputError(name, 'an envelope with "retryIn" or "snooze" has one of them, and "reason" alone')
  }
  try {
    const make = kind === 'snooze' ? snooze : retryIn
    return make(asked[kind ?? ''] as Duration, reason)
  } catch (cause) {
    return new CommandOutputError(name, `"${kind}" is no duration that is allowed`, { cause })
  }
}

function parse(name: string, stdout: Buffer): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(stdout)
    return text.trim() === '' ? null : JSON.parse(text)
  } catch (error) {
    const isText = error instanceof SyntaxError
    throw new CommandOutputError(name, isText ? 'it is not one JSON value' : 'it is not UTF-8')
  }
}
