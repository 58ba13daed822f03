// Sending jobs that rules apply to, once however often it takes, and waiting for room where the queue is full.
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddReply } from '../ledger/index.js'
import type { BullQueue, NewJob } from './bull-queues.js'
import type { JobRules } from './job-rules.js'
import type { GateCall, RedisGate } from './redis-gate.js'
import { findArrived } from './send-jobs.js'

const FIRST_PAUSE_MS = 25
const MAX_PAUSE_MS = 500

/**
 * Sends jobs of one queue, all before the first answer, and tells what became of each, in their order. Where `onFull` is `wait`,
 * those that found the queue full are sent again until they are in, or until for the gate's timeout none of them got in.
 * @throws as `sendJobs`
 */
export async function sendRuled(
  gate: RedisGate,
  queue: BullQueue,
  jobs: readonly NewJob[],
  call: GateCall,
  rules: JobRules,
): Promise<AddReply[]> {
  const replies: AddReply[] = []
  let left = jobs.map((job, at) => ({ job, at }))
  let { startedMs } = call
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
    const sent = left.map(({ job }) => job)
    const answers = await sendOnce(gate, queue, sent, { ...call, startedMs }, rules)
    for (const [index, { at }] of left.entries()) replies[at] = answers[index] as AddReply
    const full = left.filter(({ at }) => replies[at]?.kind === 'full')
    if (full.length === 0 || rules.onFull === 'reject') return replies
    if (full.length < left.length) {
      startedMs = performance.now()
      pauseMs = FIRST_PAUSE_MS
    }
    if (performance.now() + pauseMs >= startedMs + gate.timeoutMs) return replies
    left = full
    await sleep(pauseMs)
  }
}

function sendOnce(
  gate: RedisGate,
  queue: BullQueue,
  jobs: readonly NewJob[],
  call: GateCall,
  { isKeyed }: JobRules,
): Promise<AddReply[]> {
  const send = () => {
    queue.list()
    return queue.backend.addRuled(jobs)
  }
  // The record of a key names the job that it let in, so that the script itself knows a job that is sent again.
  const load = {
    keys: queue.keys,
    jobs: jobs.length,
    characters: jobs.reduce((sum, { job }) => sum + job.data.length, 0),
  }
  return gate.send(call, load, send, isKeyed ? send : () => sendMissing(queue, jobs))
}

async function sendMissing(queue: BullQueue, jobs: readonly NewJob[]): Promise<AddReply[]> {
  const arrived = await findArrived(queue, jobs)
  const missing = jobs.filter((_, index) => !arrived[index])
  const answers = missing.length > 0 ? await queue.backend.addRuled(missing) : []
  return jobs.map(({ jobId }, index) => (arrived[index] ? { kind: 'added', id: jobId } : (answers.shift() as AddReply)))
}
