// The body of a request as JSON: content type, size and encoding are checked before it is parsed.
import { isUtf8 } from 'node:buffer'
import type { Request } from 'express'
import { decodeJson, type JsonValue, NotJsonError } from '../../job/index.js'
import type { Call } from './call.js'
import { type Refusal, refuse, tooLarge, truncated } from './problem.js'

export const JSON_TYPE = 'application/json'
export const NDJSON_TYPES: readonly string[] = ['application/x-ndjson', 'application/ndjson', 'application/jsonl']

/** The JSON of a body of at most so many bytes. @throws Refusal */
export async function readBody({ request }: Call, maxBytes: number): Promise<JsonValue> {
  checkContentType(request, [JSON_TYPE])
  return readJson(await readBytes(request, maxBytes), 'The body')
}

/** Not body-parser: it reads the rest of a body that is too large before it says so. */
function readBytes(request: Request, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.reject(tooLarge(maxBytes))
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    let length = 0
    let isRead = false
    const add = (piece: Buffer) => {
      length += piece.length
      if (length <= maxBytes) pieces.push(piece)
      else stop(tooLarge(maxBytes))
    }
    const stop = (refusal: Refusal) => {
      request.off('data', add).pause()
      reject(refusal)
    }
    // The listeners stay: the request ends soon, and to take them off each one by one costs time.
    const breakOff = () => {
      if (!isRead) stop(truncated())
    }
    request.on('data', add).on('close', breakOff).on('error', breakOff)
    request.on('end', () => {
      isRead = true
      resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces))
    })
  })
}

/** @throws Refusal for another type, a charset that is not UTF-8, and compression */
export function checkContentType({ headers }: Request, types: readonly string[]): void {
  if (headers['content-type'] === types[0] && headers['content-encoding'] === undefined) return
  const [type = '', ...parameters] = (headers['content-type'] ?? '').toLowerCase().split(';')
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='))
  const isText = charset === undefined || /^charset="?utf-?8"?$/.test(charset)
  const isPlain = (headers['content-encoding'] ?? 'identity') === 'identity'
  if (types.includes(type.trim()) && isText && isPlain) return
  throw refuse('CONTENT_TYPE', `Send the body as ${types[0]} in UTF-8, without compression.`, {
    headers: { 'Accept-Post': types.join(', ') },
  })
}

/**
 * The value of JSON bytes. An object that has a name twice is refused: readers differ in which of the two they take.
 * @throws Refusal naming `what`, never with the text itself
 */
export function readJson(bytes: Buffer, what: string): JsonValue {
  if (!isUtf8(bytes)) throw refuse('INVALID_JSON', `${what} is not UTF-8 text.`)
  const text = bytes.toString('utf8')
  if (text.startsWith('\ufeff')) throw refuse('INVALID_JSON', `${what} starts with a byte order mark; JSON has none.`)
  let value: JsonValue
  try {
    value = decodeJson(text)
  } catch (error) {
    if (!(error instanceof NotJsonError)) throw error
    if (error.path !== '$') throw refuse('INVALID_JSON', `${what} holds ${error.what} at ${error.path}.`)
    const place = /at character \d+/.exec(error.what)?.[0]
    throw refuse('INVALID_JSON', `${what} is not JSON${place === undefined ? '' : ` (${place})`}.`)
  }
  if (countNames(text) !== countProperties(value)) {
    throw refuse('INVALID_JSON', `${what} holds an object that has a name twice.`)
  }
  return value
}

/** In valid JSON every colon outside of a string stands behind a name. */
function countNames(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x3a) count++
    else if (code === 0x22) at = endOfString(text, at)
  }
  return count
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end < 0 ? text.length : end
}

// By an odd number of backslashes before it.
function isEscaped(text: string, at: number): boolean {
  let first = at
  while (text.charCodeAt(first - 1) === 0x5c) first--
  return (at - first) % 2 === 1
}

// A loop, not a recursion: JSON.parse reads any depth, and the stack does not hold every one.
function countProperties(root: JsonValue): number {
  let count = 0
  const open: unknown[] = [root]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null) continue
    const items = Object.values(value)
    if (!Array.isArray(value)) count += items.length
    for (const item of items) if (typeof item === 'object') open.push(item)
  }
  return count
}
