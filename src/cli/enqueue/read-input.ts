// The input of one job as `drover enqueue` is given it: JSON on the command line, in a file, or on standard input.
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { decodeJson, type JsonValue, NotJsonError, UsageError } from '../../job/index.js'

const HOW = `--input '{"name":"Ada"}', --input @file.json, or --input - for standard input`

/** @throws UsageError when there is none, it cannot be read, or it is not JSON */
export async function readInput(given: unknown): Promise<JsonValue> {
  if (typeof given !== 'string') throw new UsageError(`expected an input for the job: ${HOW}`)
  if (given === '-') return parse(await readStandardInput(), 'standard input')
  if (!given.startsWith('@')) return parse(given, '--input')
  return parse(readBytes(given.slice(1)), given.slice(1))
}

/** The reason that a file cannot be read, in words. */
export function fileProblem(file: string, error: unknown): UsageError {
  const { code } = error as NodeJS.ErrnoException
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    EISDIR: 'it is a directory',
    EACCES: 'this user may not read it',
  }
  return new UsageError(`${file} cannot be read: ${reasons[code ?? ''] ?? code ?? 'unknown reason'}`, { cause: error })
}

/** The text of UTF-8 bytes without a byte order mark; undefined for bytes that are not UTF-8. */
export function decodeText(bytes: Buffer): string | undefined {
  if (!isUtf8(bytes)) return undefined
  const text = bytes.toString('utf8')
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw fileProblem(file, error)
  }
}

async function readStandardInput(): Promise<Buffer> {
  if (process.stdin.isTTY) {
    throw new UsageError(
      '--input - reads standard input, which is this terminal: pipe the JSON in, or use --input @file',
    )
  }
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function parse(given: string | Buffer, source: string): JsonValue {
  const text = typeof given === 'string' ? given : decodeText(given)
  if (text === undefined) throw new UsageError(`${source} is not UTF-8 text`)
  if (text.trim() === '')
    throw new UsageError(`${source} is empty: expected the job's input as JSON, such as {} or null`)
  try {
    return decodeJson(text)
  } catch (error) {
    throw jsonProblem(source, error)
  }
}

/** The usage error for what `decodeJson` threw about a text from `source`. Never with the text itself. */
export function jsonProblem(source: string, error: unknown): unknown {
  if (!(error instanceof NotJsonError)) return error
  // The text as a whole; else it is JSON with a key that is not taken, and the path says where.
  const position = /at character \d+/.exec(error.what)
  if (error.path === '$') {
    const place = position === null ? '' : ` (${position[0]})`
    return new UsageError(`${source} is not JSON${place}: expected a value such as {"name":"Ada"}`, { cause: error })
  }
  return new UsageError(`${source}: ${error.message}`, { cause: error })
}
