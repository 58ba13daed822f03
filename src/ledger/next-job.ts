// Reads the next job out of a finishing script's reply. Jobs of one contract carry the same options text, so its
// parsed form is kept: parsing it is a good part of what reading a job costs.
import { type JobJson, type JobsOptions, raw2NextJobData } from 'bullmq'

/** Texts kept, the newest; options that differ from job to job (keys, delays, priorities) must not fill the memory. */
const MAX_TEXTS = 100

/** BullMQ's packed options for a completion that trims the completed jobs, and for one that does not. */
interface SharedByText {
  trimming?: string
  keeping?: string
}

/** BullMQ copies a job's options, symbols too. */
const SHARED = Symbol('shared by jobs of one options text')

/** What is kept for all jobs with the same options text as this one's; undefined when the text is not known. */
export function sharedByText(options: object): SharedByText | undefined {
  return (options as { [SHARED]?: SharedByText })[SHARED]
}

/** BullMQ's four values: the next job or nothing, its id, milliseconds until the rate limit ends, next due time. */
export type NextJob = ReturnType<typeof raw2NextJobData>

export function createNextJobReader(): (reply: unknown) => NextJob {
  const parsed = new Map<string, JobsOptions>()
  return (reply) => {
    const fields = Array.isArray(reply) ? reply[0] : undefined
    const at = Array.isArray(fields) ? fields.indexOf('opts') : -1
    if (at < 0 || at % 2 === 1) return raw2NextJobData(reply as unknown[])
    const text = fields[at + 1] as string
    const known = parsed.get(text)
    if (known) fields[at + 1] = '{}'
    const next = raw2NextJobData(reply as unknown[])
    const job = next[0] as JobJson
    if (known) job.opts = known
    else {
      if (parsed.size === MAX_TEXTS) parsed.delete(parsed.keys().next().value as string)
      parsed.set(text, Object.assign(job.opts, { [SHARED]: {} }))
    }
    return next
  }
}
