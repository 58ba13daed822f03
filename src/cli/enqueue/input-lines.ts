// The inputs of many jobs, one JSON value a line (NDJSON), read as a stream: memory holds one line, not the file.
import { createReadStream, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
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
    // A read of a silent pipe by way of a file stream could not be ended, by Ctrl-C neither.
    if (stat.isFIFO()) return { name, size: null, open: () => new Socket({ fd, readable: true, writable: false }) }
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
  for await (const line of readRows(file, signal)) {
    if ('problem' in line) throw line.problem
    yield line
  }
}

/** A line that holds no input, and why. */
export interface BadLine {
  readonly number: number
  readonly bytes: number
  readonly problem: unknown
}

/** As `readInputLines`, but a line that is not UTF-8 or not JSON comes with its problem, and the next ones follow. */
export async function* readRows(file: InputFile, signal: AbortSignal): AsyncGenerator<InputLine | BadLine> {
  let number = 0
  let bytes = 0
  for await (const lines of splitLines(file, signal)) {
    for (const line of lines) {
      number++
      bytes += line.length
      const text = decodeText(line)
      const json = text?.trim()
      if (json === undefined) {
        yield { number, bytes, problem: new UsageError(`line ${number} of ${file.name} is not UTF-8 text`) }
      } else if (json !== '') yield parseLine(file, { number, bytes }, json)
    }
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

function parseLine(file: InputFile, at: { number: number; bytes: number }, text: string): InputLine | BadLine {
  try {
    return { ...at, input: decodeJson(text) }
  } catch (error) {
    return { ...at, problem: jsonProblem(`line ${at.number} of ${file.name}`, error) }
  }
}

/** The lines that each piece of the file completes, their line breaks included. */
async function* splitLines(file: InputFile, signal: AbortSignal): AsyncGenerator<Buffer[]> {
  let parts: Buffer[] = []
  let length = 0
  let number = 1
  for await (const piece of readPieces(file, signal)) {
    const lines: Buffer[] = []
    let start = 0
    for (let end = piece.indexOf(LINE_FEED) + 1; end !== 0; end = piece.indexOf(LINE_FEED, start) + 1) {
      lines.push(join(parts, piece.subarray(start, end)))
      parts = []
      start = end
    }
    const rest = piece.subarray(start)
    length = rest.length + (lines.length > 0 ? 0 : length)
    number += lines.length
    if (rest.length > 0) parts.push(rest)
    if (length > MAX_LINE_BYTES) throw tooLong(file, number)
    yield lines
  }
  if (parts.length > 0) yield [Buffer.concat(parts)]
}

function tooLong(file: InputFile, number: number): UsageError {
  const place = `line ${number} of ${file.name}`
  return new UsageError(`${place} is longer than ${MAX_LINE_BYTES} bytes: expected one JSON value a line`)
}

/** The file's bytes as they come. @throws UsageError when it cannot be read; the signal's reason */
export async function* readPieces(file: InputFile, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    // A pipe can be silent for as long as it likes: only its end by the signal ends the wait for more.
    for await (const piece of addAbortSignal(signal, file.open())) yield piece as Buffer
  } catch (error) {
    signal.throwIfAborted()
    // Only reading fails here: what a consumer throws does not come back into a generator.
    throw fileProblem(file.name, error)
  }
}

function join(parts: readonly Buffer[], last: Buffer): Buffer {
  return parts.length === 0 ? last : Buffer.concat([...parts, last])
}
