import { expect, it } from 'vitest'
import type { CompletedOutcome } from '../../../src/ledger/index.js'
import { refuseFollowUps } from '../../../src/worker/staged-jobs.js'

const outcome: CompletedOutcome = { status: 'completed', valueJson: '1', keepResultMs: 1_000, runMs: 1 }

it('follow-ups of an isolated handler are refused where they would pass no middleware, and others go on', () => {
  expect(refuseFollowUps(outcome)).toBe(outcome)
  const jobs = [{ queue: 'mail', jobId: 'a', job: {} as never }]
  expect(() => refuseFollowUps({ ...outcome, jobs })).toThrow('an isolated handler cannot enqueue')
})
