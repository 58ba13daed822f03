// The inputs of many jobs, one JSON value a line (NDJSON), read as a stream: memory holds one line, not the file.
import { createReadStream, fstatSync, openSync } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import {
  type AnyJobContract,
  decodeJson,
  encodeInput,
  isDroverError,
  type JsonValue,
  UsageError,
} from '../../job/index.js'
import { decodeText, fileProblem, jsonProblem } from './read-input.js'

const LINE_FEED = 0x0a
/** The largest maxInputBytes that a contract can have. */
const MAX_LINE_BYTES = 67_108_864

export interface InputFile {
  readonly name: string
  /** Null for standard input, pipes and devices. */
  readonly size: number | null
  /** The bytes from the start; a regular file can be opened again and again, others once. */
  open(): Readable
}

export interface InputLine {
  readonly number: number
  readonly input: JsonValue
  /** Bytes of the file up to the end of this line. */
  readonly bytes: number
}

/** @throws UsageError when the file is not there or cannot be read, or when standard input is a terminal */
export function openInputFile(name: string): InputFile {
  if (name === '-') {
    if (process.stdin.isTTY)
      throw new UsageError('--file - reads standard input, which is this terminal: pipe the lines in')
    return { name: 'standard input', size: null, open: () => process.stdin }
  }
  try {
    const fd = openSync(name, 'r')
    const stat = fstatSync(fd)
    if (stat.isDirectory()) throw Object.assign(new Error('directory'), { code: 'EISDIR' })
    if (!stat.isFile()) return { name, size: null, open: () => createReadStream(name, { fd }) }
    return { name, size: stat.size, open: () => createReadStream(name, { fd, start: 0, autoClose: false }) }
  } catch (error) {
    throw fileProblem(name, error)
  }
}

/**
 * The inputs in their order. A byte order mark, CRLF, a missing last line break and empty lines are no matter.
 * @throws UsageError for the first line that is not UTF-8, not JSON, or longer than any input may be; the signal's reason
 */
export async function* readInputLines(file: InputFile, signal: AbortSignal): AsyncGenerator<InputLine> {
  let number = 0
  let bytes = 0
  for await (const { line, end } of splitLines(file, signal)) {
    number++
    bytes += line.length + (end ? 1 : 0)
    const text = decodeLine(file, number, line).trim()
    if (text !== '') yield { number, input: parseLine(file, number, text), bytes }
  }
}

/** @throws UsageError naming the line when its input fails the contract */
export async function checkLine(
  file: InputFile,
  contract: AnyJobContract,
  { number, input }: InputLine,
): Promise<void> {
  try {
    await encodeInput(contract, input)
  } catch (error) {
    if (!isDroverError(error)) throw error
    throw new UsageError(`line ${number} of ${file.name}: ${error.message}`, { cause: error })
  }
}

function parseLine(file: InputFile, number: number, text: string): JsonValue {
  try {
    return decodeJson(text)
  } catch (error) {
    throw jsonProblem(`line ${number} of ${file.name}`, error)
  }
}

function decodeLine(file: InputFile, number: number, line: Uint8Array): string {
  try {
    return decodeText(line)
  } catch (error) {
    throw new UsageError(`line ${number} of ${file.name} is not UTF-8 text`, { cause: error })
  }
}

async function* splitLines(file: InputFile, signal: AbortSignal): AsyncGenerator<{ line: Uint8Array; end: boolean }> {
  let parts: Uint8Array[] = []
  let length = 0
  let number = 1
  for await (const chunk of readAll(file, signal)) {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      yield { line: join(parts, chunk.subarray(start, end)), end: true }
      parts = []
      length = 0
      number++
      start = end + 1
    }
    const rest = chunk.subarray(start)
    if (rest.length > 0) parts.push(rest)
    length += rest.length
    if (length > MAX_LINE_BYTES) {
      throw new UsageError(
        `line ${number} of ${file.name} is longer than ${MAX_LINE_BYTES} bytes: expected one JSON value a line`,
      )
    }
  }
  if (length > 0) yield { line: join(parts, new Uint8Array()), end: false }
}

async function* readAll(file: InputFile, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    // A pipe can be silent for as long as it likes: only its end by the signal ends the wait for more.
    for await (const chunk of addAbortSignal(signal, file.open())) yield chunk as Uint8Array
  } catch (error) {
    signal.throwIfAborted()
    // Only reading fails here: what a consumer throws does not come back into a generator.
    throw fileProblem(file.name, error)
  }
}

function join(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  return parts.length === 0 ? last : Buffer.concat([...parts, last])
}
