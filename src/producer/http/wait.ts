// Holding an answer back for a job's result. It is a courtesy: too many at once, and the answer comes without it.
import { isDroverError } from '../../job/index.js'
import type { JobResult } from '../../ledger/index.js'
import type { Call } from './call.js'
import type { Room } from './room.js'

/** The result, or undefined when the job does not end in time, or too many wait already. */
export async function waitForResult(
  { request, response }: Call,
  room: Room,
  job: { readonly id: string; readonly queue: string },
  seconds: number,
): Promise<JobResult | undefined> {
  const { waits, producer, closing } = room
  if (waits.count >= waits.max) return undefined
  const gone = new AbortController()
  const leave = () => gone.abort()
  response.once('close', leave)
  waits.count++
  response.setHeader('Preference-Applied', `wait=${seconds}`)
  try {
    const signal = AbortSignal.any([gone.signal, closing])
    const timeout = Math.max(1, seconds * 1_000)
    return (await producer.results.wait({ id: job.id, queue: job.queue }, { timeout, signal })).record
  } catch (error) {
    // The job goes on, and the answer says what is known of it; so it does for one who is gone, or when the API closes.
    if (request.destroyed || closing.aborted || gone.signal.aborted) return undefined
    if (isDroverError(error) && (error.code === 'RESULT_WAIT_TIMEOUT' || error.code === 'RESULT_NOT_FOUND'))
      return undefined
    throw error
  } finally {
    waits.count--
    response.off('close', leave)
  }
}
