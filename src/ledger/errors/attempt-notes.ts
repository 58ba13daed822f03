// Why attempts failed that another one follows, from when that is known until BullMQ moves their jobs to it.
import type { MinimalJob } from 'bullmq'
import type { StoredError } from '../../job/index.js'
import { attemptLine } from './failure-words.js'

/** The field that count-retried.lua puts with the attempts before it. */
const FIELD = 'drover:attempt'

/** Those of jobs that were lost in between are never fetched. */
const MOST = 10_000

export class AttemptNotes {
  readonly #lines = new Map<string, string>()

  add(job: MinimalJob, error: StoredError, release = ''): void {
    const { id, name, attemptsMade, processedOn = 0 } = job
    if (this.#lines.size >= MOST) this.#lines.clear()
    this.#lines.set(String(id), attemptLine({ name, attemptsMade, processedOn }, error, Date.now(), release))
  }

  /** The options of BullMQ's move with the note of this job in them, if there is one and an attempt has failed. */
  into<Options extends { readonly fieldsToUpdate?: Record<string, unknown> }>(id: string, options: Options): Options {
    const line = options.fieldsToUpdate && this.#lines.get(id)
    if (line === undefined) return options
    return { ...options, fieldsToUpdate: { ...options.fieldsToUpdate, [FIELD]: line } }
  }

  delete(id: string): void {
    this.#lines.delete(id)
  }
}
