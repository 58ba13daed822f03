// The rows of `drover enqueue --file`, whatever the format: each checked against the contract, with its line's number.
import { type AnyJobContract, encodeInput, isDroverError, type JsonValue, UsageError } from '../../job/index.js'
import { checkKey } from '../../producer/index.js'
import { readCsvRows } from './csv-rows.js'
import { type BadLine, type InputFile, type InputLine, readRows } from './input-lines.js'

export const FORMATS = ['ndjson', 'csv'] as const
export type Format = (typeof FORMATS)[number]

/** How rows are read. */
export interface RowRules {
  readonly contract: AnyJobContract
  readonly format: Format
  /** The field of each input that its idempotency key is taken from. */
  readonly keyField: string | undefined
  readonly signal: AbortSignal
}

/** The format that was asked for, else the one the name says: CSV for `.csv`. @throws UsageError */
export function readFormat(given: unknown, name: string): Format {
  if (given === undefined) return name.toLowerCase().endsWith('.csv') ? 'csv' : 'ndjson'
  const format = FORMATS.find((known) => known === given)
  if (format === undefined)
    throw new UsageError(`--format is one of ${FORMATS.join(', ')}, got ${JSON.stringify(given)}`)
  return format
}

/** The rows in their order; `unchecked` leaves the contract to the producer. @throws UsageError when the file cannot be read */
export async function* fileRows(
  file: InputFile,
  rules: RowRules,
  { unchecked = false } = {},
): AsyncGenerator<InputLine | BadLine> {
  const { contract, format, keyField, signal } = rules
  const rows = format === 'csv' ? readCsvRows(file, contract, signal) : readRows(file, signal)
  for await (const row of rows) {
    if (unchecked || 'problem' in row) {
      yield row
      continue
    }
    const problem = await problemOf(row.input, contract, keyField)
    if (problem === undefined) yield row
    else {
      const message = `line ${row.number} of ${file.name}: ${problem.message}`
      yield { number: row.number, bytes: row.bytes, problem: new UsageError(message, { cause: problem }) }
    }
  }
}

/** The idempotency key of an input, undefined where its field is no text or number. */
export function keyOf(input: unknown, field: string): string | undefined {
  const isObject = typeof input === 'object' && input !== null && Object.hasOwn(input, field)
  const value = isObject ? (input as Record<string, unknown>)[field] : undefined
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

async function problemOf(
  input: JsonValue,
  contract: AnyJobContract,
  keyField: string | undefined,
): Promise<Error | undefined> {
  try {
    await encodeInput(contract, input)
  } catch (error) {
    if (isDroverError(error)) return error
    throw error
  }
  if (keyField === undefined) return undefined
  const key = keyOf(input, keyField)
  return key === undefined ? new UsageError(`its field ${keyField} is no text or number for a key`) : badKey(key)
}

function badKey(key: string): Error | undefined {
  try {
    checkKey(key)
    return undefined
  } catch (error) {
    return error as Error
  }
}
