// Owns what happens to a job whose handler asked to run later: it is delayed, counted as snoozed in the same script, and
// has used no attempt.
import { type Job, WaitingError } from 'bullmq'
import type { Logger } from 'pino'
import { serializeError, throttledLine } from '../job/index.js'
import type { LedgerBackend } from '../ledger/index.js'

export class Snoozes {
  readonly #logger: Logger
  readonly #logNotSnoozed: (fields: object) => void

  constructor(logger: Logger) {
    this.#logger = logger
    this.#logNotSnoozed = throttledLine(logger, 'warn', 'job was not snoozed, its lock must expire')
  }

  /** Puts the job back, to start after `delayMs`; throws what makes BullMQ leave it as it is. */
  async put(backend: LedgerBackend, job: Job, token: string, delayMs: number, fields: object): Promise<never> {
    try {
      await backend.snooze(String(job.id), token, delayMs)
      this.#logger.info({ ...fields, delayMs }, 'job snoozed')
    } catch (error) {
      this.#logNotSnoozed({ ...fields, err: serializeError(error) })
    }
    throw new WaitingError()
  }
}
