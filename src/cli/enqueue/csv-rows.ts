// The inputs of many jobs from a CSV file: the first record names the fields, each further one is the object of one input.
// A cell is text; where the schema does not take the text, it is read as the number, true or false that it spells, and an
// empty one is left out.
import { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { type AnyJobContract, encodeInput, InvalidInputError, type JsonValue, UsageError } from '../../job/index.js'
import { type BadLine, type InputFile, type InputLine, readPieces } from './input-lines.js'

/** The largest maxInputBytes that a contract can have. */
const MAX_RECORD_BYTES = 67_108_864
const WHOLE = /^-?\d+$/
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/

interface CsvRecord {
  readonly record: readonly string[]
  readonly info: { readonly lines: number; readonly bytes: number }
}

/**
 * The inputs in their order; the number is that of a record's last line. A byte order mark, CRLF and empty lines are no
 * matter. A record with another number of cells than the first has a problem, and the next ones follow.
 * @throws UsageError when the file is not CSV from some line on, or its first record names no fields
 */
export async function* readCsvRows(
  file: InputFile,
  contract: AnyJobContract,
  signal: AbortSignal,
): AsyncGenerator<InputLine | BadLine> {
  let names: readonly string[] | undefined
  const convert = createConverter(contract)
  for await (const { record, info } of readRecords(file, signal)) {
    const { lines: number, bytes } = info
    if (names === undefined) names = checkNames(file, record)
    else if (record.length === names.length) yield { number, bytes, input: await convert(names, record) }
    else {
      const message = `line ${number} of ${file.name} has ${record.length} cells, the first record has ${names.length}`
      yield { number, bytes, problem: new UsageError(message) }
    }
  }
}

async function* readRecords(file: InputFile, signal: AbortSignal): AsyncGenerator<CsvRecord> {
  const parser = parse({
    bom: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
  })
  let failure: unknown
  const source = Readable.from(readPieces(file, signal))
  source.on('error', (error) => {
    failure = error
    parser.destroy(error)
  })
  source.pipe(parser)
  try {
    for await (const record of parser) yield record as CsvRecord
  } catch (error) {
    signal.throwIfAborted()
    if (failure !== undefined) throw failure
    if (!(error instanceof CsvError)) throw error
    throw new UsageError(`${file.name} is not CSV: ${error.message}`, { cause: error })
  } finally {
    source.destroy()
  }
}

function checkNames(file: InputFile, names: readonly string[]): readonly string[] {
  const bad = names.find((name, at) => name === '' || name === '__proto__' || names.indexOf(name) !== at)
  if (bad === undefined) return names
  const reason =
    bad === '' || bad === '__proto__' ? `${JSON.stringify(bad)} is no name` : `${JSON.stringify(bad)} is there twice`
  throw new UsageError(`the first line of ${file.name} must name each field once: ${reason}`)
}

/** Makes inputs of records. Which fields the schema wants as something else than text, it learns from what is refused. */
function createConverter(
  contract: AnyJobContract,
): (names: readonly string[], cells: readonly string[]) => Promise<JsonValue> {
  const notText = new Set<string>()
  const build = (names: readonly string[], cells: readonly string[]) => {
    const fields = names.map((name, at) => [name, notText.has(name) ? readCell(cells[at] ?? '') : cells[at]])
    return Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as JsonValue
  }
  return async (names, cells) => {
    for (;;) {
      const input = build(names, cells)
      const refused = await refusedFields(contract, input)
      const learnt = names.filter((name) => refused.has(name) && !notText.has(name))
      if (learnt.length === 0) return input
      for (const name of learnt) notText.add(name)
    }
  }
}

/** The fields of an object that the schema has something against. */
async function refusedFields(contract: AnyJobContract, input: JsonValue): Promise<Set<string>> {
  try {
    await encodeInput(contract, input)
    return new Set()
  } catch (error) {
    if (!(error instanceof InvalidInputError)) return new Set()
    return new Set(error.issues.map(({ path }) => fieldOf(path)))
  }
}

/** `price` of `$.price`, `unit price` of `$["unit price"]`. */
function fieldOf(path: string): string {
  const quoted = /^\$\[("(?:[^"\\]|\\.)*")\]$/.exec(path)?.[1]
  return quoted === undefined ? path.slice(2) : (JSON.parse(quoted) as string)
}

function readCell(cell: string): JsonValue | undefined {
  if (cell === '') return undefined
  if (cell === 'true' || cell === 'false') return cell === 'true'
  if (!NUMBER.test(cell)) return cell
  const number = Number(cell)
  // A whole number that a double would change is left as text, which the schema refuses.
  const isExact = WHOLE.test(cell) ? Number.isSafeInteger(number) : Number.isFinite(number)
  return isExact ? number : cell
}
