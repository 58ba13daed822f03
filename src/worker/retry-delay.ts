// The function that says how long a job waits after a failed attempt, for contracts with a `custom` backoff: checked when
// it is given, and asked so that nothing it does can lose the job. The rest of the policy is retry-policy.ts.
import { type AnyJobContract, type Duration, InvalidOptionError, parseDuration } from '../job/index.js'

/**
 * How long to wait after the attempt of this number (from 1) failed with `error`. The contract's `maxDelay` and `jitter`
 * hold for it. Undefined, and what is no duration or throws, leaves the wait to the contract: exponential from its `delay`.
 * It is not awaited.
 */
export type RetryDelay = (error: unknown, attempt: number) => Duration | undefined

/** @throws InvalidOptionError unless there is a function where, and only where, the contract wants one */
export function checkRetryDelay(contract: AnyJobContract, retryDelay: unknown): RetryDelay | undefined {
  const isWanted = contract.backoff.type === 'custom'
  if (isWanted && typeof retryDelay !== 'function') {
    const expected = `a function (error, attempt) => duration, as the backoff of job ${contract.name} is 'custom'`
    throw new InvalidOptionError('retryDelay', expected, retryDelay)
  }
  if (!isWanted && retryDelay !== undefined) {
    throw new InvalidOptionError('retryDelay', `backoff: { type: 'custom' } in job ${contract.name}`, retryDelay)
  }
  return retryDelay as RetryDelay | undefined
}

/** What the function says, in milliseconds; undefined when it says nothing that can be used, which `onBad` is told. */
export function askRetryDelay(
  retryDelay: RetryDelay,
  error: unknown,
  attempt: number,
  onBad: (error: unknown) => void,
): number | undefined {
  try {
    const answer = retryDelay(error, attempt)
    return answer === undefined ? undefined : parseDuration(answer, 'retryDelay')
  } catch (bad) {
    onBad(bad)
    return undefined
  }
}
