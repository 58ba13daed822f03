// Sending jobs to Redis, once however often it takes: an id is fixed before the first send, so that sending again finds
// the job there, and a job that has already run and gone is known by its result.
import { RedisRefusedError } from '../job/index.js'
import { parseResult } from '../ledger/index.js'
import type { BullQueue, NewJob } from './bull-queues.js'
import type { GateCall, RedisGate } from './redis-gate.js'

/**
 * Sends one job. Adds nothing to BullMQ's own way while Redis is there.
 * @throws RedisUnavailableError with the job's id, RedisAuthError, RedisFullError, RedisRefusedError, ClosedError
 */
export async function sendJob(gate: RedisGate, queue: BullQueue, newJob: NewJob, call: GateCall): Promise<void> {
  const first = () => {
    queue.list()
    return queue.backend.addJob(newJob.job, newJob.jobId) as Promise<unknown>
  }
  const load = { keys: queue.keys, jobs: 1, characters: newJob.job.data.length }
  await gate.send(call, load, first, () => sendMissing(queue, [newJob], call))
}

/** Sends jobs of one queue, all before the first answer; either all of them arrive, or it throws as `sendJob`. */
export async function sendJobs(
  gate: RedisGate,
  queue: BullQueue,
  jobs: readonly NewJob[],
  call: GateCall,
): Promise<void> {
  const characters = jobs.reduce((sum, { job }) => sum + job.data.length, 0)
  await gate.send(
    call,
    { keys: queue.keys, jobs: jobs.length, characters },
    () => addAll(queue, jobs, call),
    () => sendMissing(queue, jobs, call),
  )
}

async function addAll(queue: BullQueue, jobs: readonly NewJob[], { operation }: GateCall): Promise<void> {
  queue.list()
  const ids = await queue.backend.addAll(jobs)
  for (const [index, { jobId }] of jobs.entries()) {
    // BullMQ hands on its script's error codes in place of ids.
    if (ids[index] !== jobId) throw new RedisRefusedError(operation, `BullMQ answered ${ids[index]} for job ${jobId}`)
  }
}

/**
 * Sends those jobs that an earlier send whose reply was lost did not bring in. BullMQ itself knows an id only as long as
 * it keeps the job; one that ran and was removed since would run a second time.
 */
async function sendMissing(queue: BullQueue, jobs: readonly NewJob[], call: GateCall): Promise<void> {
  const arrived = await findArrived(queue, jobs)
  const missing = jobs.filter((_, index) => !arrived[index])
  if (missing.length > 0) await addAll(queue, missing, call)
}

/** Which of these jobs an earlier send brought in, whether they are still there or not. */
export async function findArrived(queue: BullQueue, jobs: readonly NewJob[]): Promise<boolean[]> {
  // The job before its result: when it is gone by then, the result it left in the same step is there.
  const look = queue.client.pipeline()
  for (const { jobId } of jobs) look.exists(queue.keys.bullBase + jobId).get(queue.keys.result(jobId))
  const replies = (await look.exec()) ?? []
  return jobs.map(({ job }, index) => {
    const [missingError, exists] = replies[2 * index] ?? []
    const [resultError, text] = replies[2 * index + 1] ?? []
    if (missingError ?? resultError) throw missingError ?? resultError
    // A result of another time is that of an earlier job with the same id.
    return exists === 1 || parseResult(text as string | null)?.enqueuedAt === job.timestamp
  })
}
