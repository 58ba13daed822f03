// POST /v1/jobs/bulk: one job for each line of NDJSON. Each line is accepted or refused by itself and answered by a line,
// in the order they came, while later ones still arrive: memory holds neither the request nor the answer.
import { EmptyBulkError } from '../../job/index.js'
import { accessOf, type Call } from './call.js'
import { jobBody, sendOne } from './enqueue-one.js'
import { splitLines } from './line-reader.js'
import { problemBody, refusalOf, refuse, tooLarge } from './problem.js'
import { checkContentType, NDJSON_TYPES, readJson } from './read-body.js'
import type { Room } from './room.js'

/** Lines that are on their way to Redis at once; what comes faster waits in the socket. */
const LINES_AT_ONCE = 256
export const MAX_LINES = 100_000

interface Outcome {
  readonly accepted: boolean
  readonly body: object
}

export async function enqueueBulk(call: Call, room: Room): Promise<void> {
  const { request, response } = call
  checkContentType(request, NDJSON_TYPES)
  const { maxBulkBytes, maxLineBytes } = room
  if (Number(request.headers['content-length'] ?? 0) > maxBulkBytes) throw tooLarge(maxBulkBytes)
  const sum = { lines: 0, accepted: 0, refused: 0 }
  // Each resolves when its line has been answered, which is when those before it have been.
  const open: Promise<void>[] = []
  let answered = Promise.resolve()

  const answer = async (outcome: Promise<Outcome>) => {
    const { accepted, body } = await outcome
    sum[accepted ? 'accepted' : 'refused']++
    if (response.destroyed) return
    if (!response.headersSent) response.writeHead(207, { 'Content-Type': NDJSON_TYPES[0] })
    if (!response.write(`${JSON.stringify(body)}\n`)) await drained(call)
  }
  try {
    for await (const { number, bytes } of splitLines(request, { maxBytes: maxBulkBytes, maxLineBytes })) {
      if (++sum.lines > MAX_LINES) throw refuse('TOO_MANY_LINES', `More than ${MAX_LINES} lines came in one request.`)
      const outcome = takeLine(call, room, number, bytes)
      answered = answered.then(() => answer(outcome))
      open.push(answered)
      if (open.length >= LINES_AT_ONCE) await open.shift()
    }
    if (sum.lines === 0) throw new EmptyBulkError()
    await answered
    if (!response.destroyed) response.end(`${JSON.stringify({ summary: { ...sum, complete: true } })}\n`)
  } catch (error) {
    // What is on its way arrives all the same, so its lines are answered before the end is told.
    await answered
    if (!response.headersSent) throw error
    endEarly(call, error, sum)
  }
}

/** The connection ends with the answer: the rest of the request is not read. */
function endEarly(call: Call, error: unknown, sum: { lines: number; accepted: number; refused: number }): void {
  const { request, response } = call
  if (response.destroyed) return
  const refusal = refusalOf(error)
  if (refusal.status >= 500) call.error = error
  const lines = sum.accepted + sum.refused
  const body = { summary: { ...sum, lines, complete: false, problem: problemBody(refusal, call.id) } }
  response.end(`${JSON.stringify(body)}\n`, () => request.destroy())
}

// Never rejects: a line that is refused is an answer like any other.
async function takeLine(call: Call, room: Room, line: number, bytes: Buffer | 'too long'): Promise<Outcome> {
  try {
    if (bytes === 'too long') throw tooLarge(room.maxLineBytes)
    const body = readJson(bytes, `Line ${line}`)
    const { handle, isNew } = await sendOne(room, room.contracts.readRequest(body, accessOf(call)))
    return { accepted: true, body: { line, status: isNew ? 201 : 200, ...jobBody(handle) } }
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal.status >= 500) call.error = error
    return { accepted: false, body: { line, ...problemBody(refusal, call.id) } }
  }
}

function drained({ response }: Call): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle).off('close', settle)
      resolve()
    }
    response.on('drain', settle).on('close', settle)
  })
}
