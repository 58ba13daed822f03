import { UnrecoverableError } from 'bullmq'
import { expect, it } from 'vitest'
import { AttemptFailed, JobFailed } from '../../../src/worker/attempt-failures.js'

it('a failure carries message and stack of the stored error to BullMQ, and says whether there is a next attempt', () => {
  const error = { name: 'TypeError', message: 'no such thing', stack: 'TypeError: no such thing\n    at x' }
  const attemptFailed = new AttemptFailed(error, 250)
  expect(attemptFailed).toMatchObject({ message: 'no such thing', stack: error.stack, retryDelayMs: 250 })
  const jobFailed = new JobFailed({ name: 'Error', message: 'gone' })
  expect(jobFailed).toMatchObject({ message: 'gone', stack: 'gone' })
  expect([attemptFailed, jobFailed].map((failure) => failure instanceof UnrecoverableError)).toEqual([false, true])
})

it('a message that BullMQ would take for a rate limit is not passed on as it is', () => {
  const error = { name: 'Error', message: 'bullmq:rateLimitExceeded' }
  for (const failure of [new AttemptFailed(error, 1), new JobFailed(error)]) {
    expect(failure.message).toBe('Error: bullmq:rateLimitExceeded')
  }
})
