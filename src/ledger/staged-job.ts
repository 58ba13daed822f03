// A job that another job's handler enqueues: it enters its queue in the commit, or not at all. This is its wire form;
// add-staged-job.lua puts it in.
import { type JobJson, QueueKeys, type RedisQueueBackend } from 'bullmq'
import { queueKeys } from '../redis/index.js'
import type { StagedWrite } from './effects.js'
import { limitWords } from './limits/limit-words.js'

export interface StagedJob {
  readonly queue: string
  readonly jobId: string
  /** In the shape of BullMQ's `Job.asJSON`; `data` is JSON text. */
  readonly job: JobJson
}

/** A job of which only BullMQ's own script and its arguments are wanted. */
export type RecordedJob = JobJson & { readonly isRecorded?: true }

/** What add-staged-job.lua calls BullMQ's scripts. */
const KINDS: Readonly<Record<string, string>> = {
  addStandardJob: 'standard',
  addDelayedJob: 'delayed',
  addPrioritizedJob: 'prioritized',
}

/** The staged write that enqueues the job: BullMQ picks the script and packs its arguments, only nothing is sent. */
export function writeOfJob(backend: RedisQueueBackend, prefix: string, { queue, job, jobId }: StagedJob): StagedWrite {
  const keys = new QueueKeys(queueKeys(prefix, queue).bull).getKeys(queue)
  let write: StagedWrite = []
  const recorder = {
    runCommand: async (name: string, args: (string | number | Buffer)[]) => {
      write = ['ENQUEUE', KINDS[name.split(':')[0] ?? ''] ?? name, ...args]
      return jobId
    },
  }
  // BullMQ gives the command to the client before it waits for anything: it pipelines jobs in the same way.
  const recorded: RecordedJob = { ...job, isRecorded: true }
  void backend.addJobToTransaction(recorder as never, recorded, jobId, {}, keys)
  const limit = limitWords(job)
  return limit === undefined ? write : [...write, ...limit]
}
