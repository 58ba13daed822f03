// From the words of the command line to the exit code: finds the verb, reads its options, runs it, reports its error.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { suggest, UsageError } from '../job/index.js'
import { EXIT_CODES, type ExitName } from './exit-codes.js'
import { createOutput, formatTable } from './output.js'
import { reportError } from './report-error.js'
import { EXITS_OF_ALL, VERBS } from './verb.js'

/** Runs one command and gives its exit code. Nothing is thrown: errors are on standard error by then. */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv)
  } catch (error) {
    return reportError(error, { json: argv.includes('--json') })
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv
  if (first === '--version' || first === '-V') return write(process.stdout, `${readVersion()}\n`, EXIT_CODES.ok.code)
  if (first === undefined) return write(process.stderr, mainHelp(), EXIT_CODES.usage.code)
  if (first === 'help' && rest[0] !== undefined) return dispatch([rest[0], '--help'])
  if (first === 'help' || first === '--help' || first === '-h') {
    return write(process.stdout, mainHelp(), EXIT_CODES.ok.code)
  }
  if (first.startsWith('-')) {
    throw new UsageError(`unknown option ${JSON.stringify(first)}: the command comes first, then its options`)
  }
  const entry = Object.hasOwn(VERBS, first) ? VERBS[first] : undefined
  if (entry === undefined) throw unknownCommand(first)
  const verb = await entry.load()
  const command = new Command(`drover ${first}`).description(entry.summary)
  verb.define(command)
  command.option('--json', 'write JSON for programs')
  command.helpOption('-h, --help', 'show this help')
  command.addHelpText('after', `\n${exitHelp([...EXITS_OF_ALL, ...entry.exits])}`)
  if (!parse(command, rest)) return EXIT_CODES.ok.code
  const options = command.opts()
  return verb.run({ args: command.args, options, words: rest, out: createOutput({ json: options.json === true }) })
}

/** False when there is nothing left to do because the help was asked for and shown. */
function parse(command: Command, words: readonly string[]): boolean {
  // Its messages are in the error that it throws.
  command.exitOverride().configureOutput({ writeErr: () => undefined })
  try {
    command.parse(words, { from: 'user' })
    return true
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return false
    const problem = error.message
      .replace(/^error: /, '')
      .replace(/\n\((.*)\)$/, ' ($1)')
      .replace(/\.$/, '')
    const takesInput = command.options.some(({ long }) => long === '--input')
    const isInput = takesInput && error.code === 'commander.excessArguments' && words.some((word) => /^[[{]/.test(word))
    const advice = isInput
      ? `an input goes after --input, see ${command.name()} --help`
      : `see ${command.name()} --help`
    throw new UsageError(`${problem}; ${advice}`, { cause: error })
  }
}

function unknownCommand(name: string): UsageError {
  const nearest = suggest(name, Object.keys(VERBS))
  const advice = nearest === undefined ? `expected one of ${Object.keys(VERBS).join(', ')}` : `did you mean ${nearest}?`
  return new UsageError(`unknown command ${JSON.stringify(name.slice(0, 100))}: ${advice}`)
}

function mainHelp(): string {
  const verbs = Object.entries(VERBS).map(([name, { summary }]) => [`  ${name}`, summary])
  return `Drover: background jobs whose results and counters commit with the job.

Usage: drover <command> [options]

Commands:
${formatTable(verbs)}

drover <command> --help shows the options of a command, with examples.
Every command takes --json. Settings come from options, then the environment, then drover.config.ts.

${exitHelp(Object.keys(EXIT_CODES) as ExitName[])}
`
}

function exitHelp(names: readonly ExitName[]): string {
  const codes = Object.entries(EXIT_CODES).filter(([name]) => names.includes(name as ExitName))
  const rows = codes.map(([, { code, meaning }]) => [`  ${code}`, meaning])
  return `Exit codes:\n${formatTable(rows)}`
}

function readVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}

function write(stream: NodeJS.WriteStream, text: string, code: number): number {
  stream.write(text)
  return code
}
