// What comes in as lines: NDJSON over HTTP and in files, and CSV. In whatever pieces it arrives, each line is told apart as
// it is in the whole, and rubbish in one of them is told with its number.
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { readCsvRows } from '../../src/cli/enqueue/csv-rows.js'
import { type InputFile, readInputLines } from '../../src/cli/enqueue/input-lines.js'
import { decodeJson, defineJob, UsageError } from '../../src/job/index.js'
import { splitLines } from '../../src/producer/http/line-reader.js'
import { anyText, report, settings } from './runs.js'

const { signal } = new AbortController()
/** Where the bytes are cut, as shares of a thousand. */
const cuts = fc.array(fc.nat({ max: 1_000 }), { maxLength: 6 })

function streamOf(bytes: Buffer, places: readonly number[]): Readable {
  const at = [0, ...places.map((share) => Math.floor((share * bytes.length) / 1_000)), bytes.length]
  at.sort((a, b) => a - b)
  return Readable.from(at.slice(1).map((end, index) => bytes.subarray(at[index], end)))
}

/** Which values are refused is the matter of json.test.ts. */
function isJson(text: string): boolean {
  try {
    decodeJson(text)
    return true
  } catch {
    return false
  }
}

const fileOf = (bytes: Buffer, places: readonly number[]): InputFile => {
  return { name: 'rows', size: null, open: () => streamOf(bytes, places) }
}

async function gather<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = []
  for await (const value of values) all.push(value)
  return all
}

it('lines over HTTP are those of the whole body, with their numbers, whatever pieces it comes in', async () => {
  const MAX = 12
  const bytes = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0x20, 0x7b), fc.nat({ max: 255 }))
  let lines = 0
  const property = fc.asyncProperty(fc.array(bytes, { maxLength: 80 }), cuts, async (all, places) => {
    const body = Buffer.from(all)
    const found = await gather(splitLines(streamOf(body, places), { maxBytes: 1_000, maxLineBytes: MAX }))
    const wanted = body
      .toString('latin1')
      .split('\n')
      .map((line, index) => ({ number: index + 1, line }))
      .filter(({ line }) => line !== '' && line !== '\r')
    lines += wanted.length
    expect(
      found.map(({ number, bytes: line }) => [number, line === 'too long' ? line : line.toString('latin1')]),
    ).toEqual(wanted.map(({ number, line }) => [number, line.length > MAX ? 'too long' : line.replace(/\r$/, '')]))
  })
  await fc.assert(property, settings(500))
  report('lines over HTTP', { lines })
})

it('lines of a file are their JSON values in order, up to the first that is none, whose number is told', async () => {
  const rubbish = anyText.map((text) => `x${text.replace(/[\r\n]/g, '')}`)
  const counts = { values: 0, refused: 0 }
  const line = fc.oneof({ weight: 9, arbitrary: fc.json() }, { weight: 1, arbitrary: rubbish })
  const property = fc.asyncProperty(fc.array(line, { maxLength: 12 }), cuts, async (all, places) => {
    const file = fileOf(Buffer.from(all.join('\r\n')), places)
    const read: unknown[] = []
    let problem: unknown
    try {
      for await (const { input } of readInputLines(file, signal)) read.push(input)
    } catch (error) {
      problem = error
    }
    const bad = all.findIndex((text) => !isJson(text))
    const good = bad === -1 ? all : all.slice(0, bad)
    expect(JSON.stringify(read)).toBe(JSON.stringify(good.map((text) => decodeJson(text))))
    counts.values += read.length
    if (bad === -1) expect(problem).toBeUndefined()
    else {
      counts.refused++
      expect(problem).toBeInstanceOf(UsageError)
      expect((problem as Error).message).toContain(`line ${bad + 1} `)
    }
  })
  await fc.assert(property, settings(300))
  report('lines of a file', counts)
})

it('cells of CSV come back as they were written, quotes, commas and line breaks in them too', async () => {
  const contract = defineJob({ name: 'row', queue: 'rows', input: z.object({ a: z.string(), b: z.string() }) })
  const cell = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '"', '""', ',', '\n', '\r\n', 'a,b', '\ufeff', '__proto__', ' 1 ', 'true'),
  )
  const written = (text: string) => `"${text.replaceAll('"', '""')}"`
  let cells = 0
  const property = fc.asyncProperty(
    fc.array(fc.record({ a: cell, b: cell }), { maxLength: 8 }),
    fc.constantFrom('\n', '\r\n'),
    cuts,
    async (rows, end, places) => {
      const text = ['a,b', ...rows.map(({ a, b }) => `${written(a)},${written(b)}`)].join(end)
      const read = await gather(readCsvRows(fileOf(Buffer.from(text), places), contract, signal))
      expect(read.map((each) => ('input' in each ? each.input : each.problem))).toEqual(rows)
      cells += 2 * rows.length
    },
  )
  await fc.assert(property, settings(200))
  report('CSV', { cells })
})
