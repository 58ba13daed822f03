// `npm run test:faults`: the fault matrix in its full sizes, each row with its figures, which also go to a JSON file.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { testSeed } from '../support/random.js'
import { loadRows } from './load-rows.js'
import { type RowOutcome, runRow } from './run-row.js'
import { showOutcome } from './show-outcome.js'

const HELP = `npm run test:faults -- [options]

Runs the rows of the fault matrix as real processes, and holds Redis against a ledger outside of it.

  --row <name>      only this row, such as F01; can be given several times
  --size <size>     full or small (default full)
  --seed <number>   repeats a run (default: from the clock; it is printed)
  --minutes <n>     for how long F31 runs, and after how long F03 begins no more rounds
  --list            names the rows and ends
  --help            this text

Each run writes its figures to test/fault/out/<row>-<size>-<seed>.json. Ends with 1 when a row failed.
`

const OUT = fileURLToPath(new URL('out/', import.meta.url))

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n\n${HELP}`)
    return 64
  }
  if (options.help) return show(HELP)
  const rows = await loadRows()
  if (options.list) return show(rows.map(describe).join(''))
  const unknown = options.rows.filter((name) => !rows.some((row) => row.name === name))
  if (unknown.length > 0) {
    process.stderr.write(`no row is called ${unknown.join(', ')}; --list names them\n`)
    return 64
  }
  let failed = 0
  for (const row of rows) {
    if (options.rows.length > 0 && !options.rows.includes(row.name)) continue
    if (row.pending !== undefined) {
      process.stdout.write(`${row.name} not run: ${row.pending}\n`)
      continue
    }
    process.stdout.write(`${row.name} ${row.title}, seed ${options.seed}\n`)
    const outcome = await runRow(row, options)
    process.stdout.write(`${showOutcome(outcome)}\n`)
    keep(outcome)
    if (!outcome.ok) failed++
  }
  process.stdout.write(failed === 0 ? 'every row held\n' : `${failed} rows failed\n`)
  return failed === 0 ? 0 : 1
}

type Row = Awaited<ReturnType<typeof loadRows>>[number]
function describe({ name, title, pending }: Row): string {
  return `${name}  ${title}${pending ? ` (not run: ${pending})` : ''}\n`
}

function show(text: string): number {
  process.stdout.write(text)
  return 0
}

/** What the command line asks for, or what is wrong with it. */
function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        row: { type: 'string', multiple: true },
        size: { type: 'string', default: 'full' },
        seed: { type: 'string' },
        minutes: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    const { size } = values
    if (size !== 'full' && size !== 'small') return '--size is full or small'
    const seed = values.seed === undefined ? testSeed() : Number(values.seed)
    if (!Number.isSafeInteger(seed) || seed < 1) return '--seed is a whole number above 0'
    const minutes = Number(values.minutes ?? 1)
    if (!(minutes > 0)) return '--minutes is a number above 0'
    const rows = (values.row ?? []).map((name) => name.toUpperCase())
    const time = values.minutes === undefined ? {} : { minutes }
    return { rows, size, seed, ...time, list: values.list === true, help: values.help === true } as const
  } catch (error) {
    return (error as Error).message
  }
}

function keep(outcome: RowOutcome): void {
  mkdirSync(OUT, { recursive: true })
  const file = `${OUT}${outcome.row}-${outcome.size}-${outcome.seed}.json`
  writeFileSync(file, `${JSON.stringify({ node: process.version, ...outcome }, null, 2)}\n`)
}
