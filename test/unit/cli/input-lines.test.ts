import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, describe, expect, it } from 'vitest'
import { type InputFile, openInputFile, readInputLines } from '../../../src/cli/enqueue/input-lines.js'

const folder = mkdtempSync(join(tmpdir(), 'drover-lines-'))
afterAll(() => rmSync(folder, { recursive: true }))
const { signal } = new AbortController()

async function read(file: InputFile): Promise<[number, unknown][]> {
  const lines: [number, unknown][] = []
  for await (const { number, input } of readInputLines(file, signal)) lines.push([number, input])
  return lines
}

function fileOf(content: string | Uint8Array): InputFile {
  const name = join(folder, 'lines.ndjson')
  writeFileSync(name, content)
  return openInputFile(name)
}

/** A stream that comes in pieces of this many bytes. */
function streamOf(text: string, pieceBytes: number): InputFile {
  const bytes = Buffer.from(text)
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, index) =>
    bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes),
  )
  return { name: 'a stream', size: null, open: () => Readable.from(pieces) }
}

describe('readInputLines', () => {
  it.each([
    ['lines that all end with a line break', '1\n2\n'],
    ['a last line without one', '1\n2'],
    ['CRLF', '1\r\n2\r\n'],
    ['a byte order mark', '\ufeff1\n2\n'],
    ['spaces around', '  1\t\n 2 '],
  ])('reads %s', async (_what, text) => {
    expect(await read(fileOf(text))).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  it('leaves empty lines out, and counts them', async () => {
    expect(await read(fileOf('\n1\n\n \r\n2\n\n'))).toEqual([
      [2, 1],
      [5, 2],
    ])
    expect(await read(fileOf(''))).toEqual([])
  })

  it.each([1, 2, 3, 7, 1_000])(
    'reads a stream whose pieces of %d bytes break lines and characters anywhere',
    async (size) => {
      expect(await read(streamOf('{"a":"äöü"}\r\n\r\n["🦊"]\n"end"', size))).toEqual([
        [1, { a: 'äöü' }],
        [3, ['🦊']],
        [4, 'end'],
      ])
    },
  )

  it('counts the bytes up to the end of each line', async () => {
    const file = fileOf('"ä"\r\n2\n"end"')
    const bytes: number[] = []
    for await (const line of readInputLines(file, signal)) bytes.push(line.bytes)
    expect(bytes).toEqual([6, 8, file.size])
  })

  it.each([
    ['not JSON', '1\n\n{a}\n', /is not JSON.*: expected a value such as/],
    ['not UTF-8', Buffer.from([0x31, 0x0a, 0x0a, 0x22, 0xff, 0x22]), 'is not UTF-8 text'],
    ['JSON with a __proto__ key', '1\n\n{"__proto__":1}\n', /: .*__proto__/],
  ])('names the line that is %s', async (_what, content, message) => {
    const reading = read(fileOf(content))
    await expect(reading).rejects.toMatchObject({ code: 'USAGE' })
    await expect(reading).rejects.toThrow(/^line 3 of \S+lines\.ndjson/)
    await expect(reading).rejects.toThrow(message)
  })

  it('refuses a line that is longer than any input may be, without holding it', async () => {
    const piece = Buffer.alloc(1_048_576, 'x')
    let given = 0
    async function* endless() {
      for (;;) {
        given++
        yield piece
      }
    }
    const file = { name: 'a stream', size: null, open: () => Readable.from(endless()) }
    await expect(read(file)).rejects.toThrow('line 1 of a stream is longer than 67108864 bytes')
    expect(given).toBeLessThan(100)
  })

  it('can read a regular file twice', async () => {
    const file = fileOf('1\n2\n')
    expect(await read(file)).toEqual(await read(file))
  })

  it('ends with the reason of its signal while the stream is silent', async () => {
    const controller = new AbortController()
    const file = { name: 'a stream', size: null, open: () => new Readable({ read: () => undefined }) }
    const lines = readInputLines(file, controller.signal)
    const next = lines.next()
    controller.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
  })
})
