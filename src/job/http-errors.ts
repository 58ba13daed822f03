// Owns the errors of the HTTP API that are not about one value given: what is not there, and what a job's state forbids.

import { DroverError } from './drover-error.js'

/** Neither a job nor a result of this id is there, or the token is not for it. */
export class JobNotFoundError extends DroverError {
  readonly id: string
  readonly queue: string

  constructor(id: string, queue: string) {
    super('JOB_NOT_FOUND', `no job ${id} in queue ${queue}: it never existed, was removed, or is no longer kept`)
    this.id = id
    this.queue = queue
  }
}

/** The job is in a state in which this cannot be done to it; nothing was changed. */
export class JobStateError extends DroverError {
  readonly id: string
  readonly queue: string
  readonly state: string
  /** What was asked for: `cancelled`, `retried`, `deleted`. */
  readonly action: string

  constructor(id: string, queue: string, state: string, action: string) {
    super('JOB_STATE', `job ${id} in queue ${queue} is ${state}, so it cannot be ${action}: look at it again`)
    this.id = id
    this.queue = queue
    this.state = state
    this.action = action
  }
}

/** No token of the HTTP API has this id. */
export class TokenNotFoundError extends DroverError {
  readonly tokenId: string

  constructor(tokenId: string) {
    super(
      'TOKEN_NOT_FOUND',
      `no token has the id ${JSON.stringify(tokenId.slice(0, 64))}: list them with drover token list`,
    )
    this.tokenId = tokenId
  }
}
