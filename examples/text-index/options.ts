// The command line of this example. Where Redis and the dashboard are is read as everywhere in Drover: flag, environment,
// drover.config.ts, default.
import { readdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError } from 'commander'
import { isDroverError } from 'drover'
import { loadSettings } from 'drover/config'

export type Settings = Awaited<ReturnType<typeof loadSettings>>

export interface Options {
  /** Absolute. */
  readonly dir: string
  readonly exit: boolean
  readonly json: boolean
  readonly settings: Settings
}

/** Ends the program: the message, where there is one, is all that there is to say. */
export class ExitError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

/** This checkout: the directory of package.json. */
export const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const RULES = `
Lines are counted as wc -l counts them, words as wc -w does in a UTF-8 locale. The most frequent words are those that are
letters alone once the punctuation around them is gone, in lower case, up to 64 letters.
Left out are binary files (a NUL byte in the first 8 KiB), files over 10 MB, symbolic links, .git and .drover.
Exit codes: 0 done, 1 a job failed or Redis is away, 2 a wrong option, 130 interrupted before it was done.`

/** @throws ExitError */
export async function readOptions(args: readonly string[]): Promise<Options> {
  const { dir = CHECKOUT, exit = false, json = false, ...flags } = parseFlags(args)
  checkDirectory(dir)
  return { dir: resolve(dir), exit, json, settings: await readSettings(flags) }
}

interface Flags {
  readonly dir?: string
  readonly exit?: boolean
  readonly json?: boolean
  readonly port?: string
  readonly concurrency?: string
  readonly redis?: string
}

function parseFlags(args: readonly string[]): Flags {
  const command = new Command('npm start --')
    .description('Indexes the text files of a directory: one job per file.')
    .option('--dir <path>', 'directory to index (default: this checkout)')
    .option('--exit', 'end when it is done, instead of showing the dashboard until Ctrl-C')
    .option('--json', 'print the numbers of this run as the last line, as one JSON object')
    .option('--port <number>', 'port of the dashboard; when it is taken, the next free one')
    .option('--concurrency <number>', 'files that the worker process works on at once')
    .option('--redis <url>', 'Redis to use (default: REDIS_URL, else a server of its own)')
    .addHelpText('after', RULES)
    .allowExcessArguments(false)
    .configureOutput({ writeErr: () => undefined })
    .exitOverride()
  try {
    return command.parse(args, { from: 'user' }).opts<Flags>()
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) throw new ExitError('', 0)
    const message = error.message.replace(/^error: |\.$/g, '').replaceAll('\n', ' ')
    throw new ExitError(`${message}; npm start -- --help lists the options`, 2)
  }
}

function checkDirectory(dir: string): void {
  try {
    readdirSync(dir)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    const reason = { ENOENT: 'there is none', ENOTDIR: 'it is a file', EACCES: 'it may not be read' }[code] ?? code
    throw new ExitError(`--dir: expected a directory, got ${JSON.stringify(dir)}: ${reason}`, 2)
  }
}

async function readSettings(flags: Readonly<Record<string, unknown>>): Promise<Settings> {
  let settings: Settings
  try {
    settings = await loadSettings({ flags })
  } catch (error) {
    if (isDroverError(error)) throw new ExitError(error.message, 2)
    throw error
  }
  if (settings.redis !== undefined && settings.redis.kind !== 'single') {
    // Producer, worker and dashboard take them; the plain client that shows the numbers would have to be another one.
    throw new ExitError(`--redis: expected redis:// or rediss://, got ${settings.redis.kind} settings`, 2)
  }
  return settings
}
