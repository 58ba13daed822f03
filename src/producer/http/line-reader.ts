// The lines of a request's body as they arrive. Memory holds one line: one that is too long is passed over, not kept.
import type { Readable } from 'node:stream'
import { tooLarge, truncated } from './problem.js'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

export interface Line {
  /** From 1, empty lines counted too, as editors count. */
  readonly number: number
  readonly bytes: Buffer | 'too long'
}

/**
 * The lines without their line breaks; empty ones are left out.
 * @throws Refusal for a body that is larger than `maxBytes`, or that ends before its announced end
 */
export async function* splitLines(
  body: Readable,
  { maxBytes, maxLineBytes }: { readonly maxBytes: number; readonly maxLineBytes: number },
): AsyncGenerator<Line> {
  let parts: Buffer[] = []
  let length = 0
  let total = 0
  let number = 0
  const add = (part: Buffer) => {
    length += part.length
    // Beyond the limit only the length goes on.
    if (length <= maxLineBytes) parts.push(part)
  }
  const finish = (): Line | undefined => {
    const bytes = length > maxLineBytes ? 'too long' : trimEnd(Buffer.concat(parts))
    parts = []
    length = 0
    number++
    return bytes.length === 0 ? undefined : { number, bytes }
  }
  for await (const piece of piecesOf(body)) {
    total += piece.length
    if (total > maxBytes) throw tooLarge(maxBytes)
    let start = 0
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
      add(piece.subarray(start, end))
      start = end + 1
      const line = finish()
      if (line) yield line
    }
    add(piece.subarray(start))
  }
  const last = finish()
  if (last) yield last
}

async function* piecesOf(body: Readable): AsyncGenerator<Buffer> {
  try {
    // Left open at an early end: the answer still has to go out over the same socket.
    for await (const piece of body.iterator({ destroyOnReturn: false })) yield piece as Buffer
  } catch {
    throw truncated()
  }
}

function trimEnd(bytes: Buffer): Buffer {
  return bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes
}
