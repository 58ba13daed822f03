// Owns jobs whose input is of a newer version than this build knows, as in the midst of a deploy: they go back to their
// queue, for a worker that knows it. They use no attempt by it, and none of them fails.
import { type Job, WaitingError } from 'bullmq'
import type { Logger } from 'pino'
import { type AnyJobContract, serializeError, throttledLine, versionOf } from '../job/index.js'

/** The wait grows by this with each start of the job, so that a backlog does not keep an old worker busy, up to the most. */
const STEP_MS = 2_000
const MAX_WAIT_MS = 60_000

export class NewerInputs {
  readonly #logPutBack: (fields: object) => void
  readonly #logNotPutBack: (fields: object) => void

  constructor(logger: Logger) {
    const text = 'the input is of a newer version than this build knows: the job waits for a newer worker'
    this.#logPutBack = throttledLine(logger, 'warn', text)
    this.#logNotPutBack = throttledLine(logger, 'warn', 'job was not put back, its lock must expire')
  }

  /** Puts the job back, to start later; throws what makes BullMQ leave it as it is. */
  async putBack(job: Job, token: string, contract: AnyJobContract): Promise<never> {
    const waitMs = Math.min(MAX_WAIT_MS, STEP_MS * Math.max(1, job.attemptsStarted))
    const version = versionOf(job.opts)
    const fields = { queue: contract.queue, job: job.name, id: job.id, version, known: contract.version, waitMs }
    try {
      await job.moveToDelayed(Date.now() + waitMs, token)
      this.#logPutBack(fields)
    } catch (error) {
      this.#logNotPutBack({ ...fields, err: serializeError(error) })
    }
    throw new WaitingError()
  }
}
