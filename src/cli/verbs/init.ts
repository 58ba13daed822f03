// `drover init`: a new project that runs. Its files are those of ../template, with name and versions filled in.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../../job/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import type { Output } from '../output.js'
import type { Verb, VerbCall } from '../verb.js'

/** Each file of the project with its template. */
const FILES = {
  'package.json': 'package.json.txt',
  'tsconfig.json': 'tsconfig.json.txt',
  'drover.config.ts': 'drover.config.ts.txt',
  'jobs.ts': 'jobs.ts.txt',
  'handlers/greet.ts': 'greet.ts.txt',
  'enqueue.ts': 'enqueue.ts.txt',
  'README.md': 'README.md.txt',
  '.gitignore': 'gitignore.txt',
} as const

/** What a project may hold before: the tools that make a folder leave these. */
const HARMLESS = new Set(['.git', '.gitignore', '.DS_Store', '.idea', '.vscode'])
const MAX_NAMES_SHOWN = 5

interface Manifest {
  readonly version: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

export const init: Verb = {
  define(command: Command): void {
    command
      .argument('[dir]', 'directory of the project, made when it is missing', '.')
      .option('--yes', 'also in a directory with files in it; those that are there stay as they are')
    command.addHelpText(
      'after',
      `
Examples:
  $ npx drover init my-jobs
  $ cd my-jobs && npm install && npm run dev`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const given = args[0] ?? '.'
    const dir = resolve(given)
    const there = listNames(dir)
    const inTheWay = there.filter((name) => !HARMLESS.has(name))
    if (inTheWay.length > 0 && options.yes !== true) {
      const names = inTheWay.slice(0, MAX_NAMES_SHOWN).join(', ')
      const more = inTheWay.length > MAX_NAMES_SHOWN ? ' and more' : ''
      throw new UsageError(
        `${dir} is not empty (${names}${more}): name another directory, or add the missing files with --yes`,
      )
    }
    const values = templateValues(dir)
    const outcomes = Object.entries(FILES).map(([file, template]) => ({
      file,
      isWritten: writeNew(join(dir, file), fill(template, values)),
    }))
    const written = outcomes.filter(({ isWritten }) => isWritten).map(({ file }) => file)
    const kept = outcomes.filter(({ isWritten }) => !isWritten).map(({ file }) => file)
    show(out, { dir, written, kept })
    return EXIT_CODES.ok.code
  },
}

function listNames(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return []
    if (code === 'ENOTDIR') throw new UsageError(`${dir} is a file: name a directory`, { cause: error })
    throw new UsageError(`${dir} cannot be read (${code})`, { cause: error })
  }
}

/** False when the file is there: it is not touched. */
function writeNew(path: string, text: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true })
  } catch (error) {
    throw cannotWrite(dirname(path), error)
  }
  try {
    writeFileSync(path, text, { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw cannotWrite(path, error)
  }
}

function cannotWrite(path: string, error: unknown): UsageError {
  return new UsageError(`${path} cannot be written (${(error as NodeJS.ErrnoException).code})`, { cause: error })
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  const text = readFileSync(new URL(`../template/${template}`, import.meta.url), 'utf8')
  return text.replace(/\{\{(.+?)\}\}/g, (whole, name: string) => values[name] ?? whole)
}

function templateValues(dir: string): Record<string, string> {
  const path = new URL('../../../package.json', import.meta.url)
  const { version, dependencies, devDependencies } = JSON.parse(readFileSync(path, 'utf8')) as Manifest
  const others = Object.entries({ ...dependencies, ...devDependencies }).map(([name, pinned]) => [name, `^${pinned}`])
  return { ...Object.fromEntries(others), name: packageName(dir), drover: `^${version}` }
}

/** The directory's name as npm takes it. */
function packageName(dir: string): string {
  const name = basename(dir)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return name === '' || name === 'drover' || name === 'node_modules' ? 'my-jobs' : name
}

interface Made {
  readonly dir: string
  readonly written: readonly string[]
  readonly kept: readonly string[]
}

function show(out: Output, { dir, written, kept }: Made): void {
  if (out.json) {
    out.printJson({ dir, written, kept })
    return
  }
  for (const file of written) out.print(`wrote  ${file}`)
  for (const file of kept) out.print(`kept   ${file}, which was there`)
  const place = relative(process.cwd(), dir)
  const enter = place === '' ? '' : `cd ${quote(place)} && `
  out.note(`\nNext: ${enter}npm install && npm run dev\nThen, in a second terminal: npm run enqueue -- Ada`)
}

/** The path as one word for a shell. */
function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
