// Errors of what a person does with jobs that failed: their groups, replays and discards.
import { DroverError, type DroverErrorOptions } from './drover-error.js'

/** There is no error group of that id in the queue, or no more: groups are kept 30 days after their last failure. */
export class ErrorGroupNotFoundError extends DroverError {
  readonly group: string
  readonly queue: string
  constructor(group: string, queue: string, options?: DroverErrorOptions) {
    super(
      'ERROR_GROUP_NOT_FOUND',
      `queue ${queue} has no error group ${JSON.stringify(String(group).slice(0, 40))}: list them with drover errors`,
      options,
    )
    this.group = group
    this.queue = queue
  }
}

/** Nothing that was asked for is failed, so that there is nothing to retry or discard. Nothing was changed. */
export class NoFailedJobsError extends DroverError {
  readonly queue: string
  readonly wanted: string
  constructor(queue: string, wanted: string, options?: DroverErrorOptions) {
    super(
      'NO_FAILED_JOBS',
      `no job of queue ${queue} is failed that is asked for (${wanted}); nothing was changed`,
      options,
    )
    this.queue = queue
    this.wanted = wanted
  }
}

/** There is no replay of that id, or no more: they are kept for 7 days. */
export class ReplayNotFoundError extends DroverError {
  readonly id: string
  readonly queue: string
  constructor(id: string, queue: string, options?: DroverErrorOptions) {
    super('REPLAY_NOT_FOUND', `queue ${queue} has no replay ${JSON.stringify(String(id).slice(0, 40))}`, options)
    this.id = id
    this.queue = queue
  }
}

/** There is no discard of that id, or its time for an undo has passed. */
export class DiscardNotFoundError extends DroverError {
  readonly id: string
  readonly queue: string
  constructor(id: string, queue: string, options?: DroverErrorOptions) {
    super(
      'DISCARD_NOT_FOUND',
      `queue ${queue} has no discard ${JSON.stringify(String(id).slice(0, 40))} that can be undone`,
      options,
    )
    this.id = id
    this.queue = queue
  }
}
