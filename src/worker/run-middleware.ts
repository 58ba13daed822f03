// Middleware around the run of a handler: what it sees of an attempt, and what it may change of it.
import { type AnyJobContract, decodeJson, type Middleware, MiddlewareError, runThrough } from '../job/index.js'
import type { CompletedOutcome } from '../ledger/index.js'
import type { JobContext } from './context.js'

/** One attempt, as middleware sees it. */
export interface RunCall {
  readonly contract: AnyJobContract
  /** What the handler gets. What is counted, staged and enqueued here commits with the attempt. */
  readonly ctx: JobContext
  /** The stored input, before upcast and schema; another may be set before `next()`. */
  input: unknown
  /** The result as JSON, after the output schema; there once `next()` has resolved. Another may be set then. */
  resultText: string | undefined
}

/**
 * A function around each attempt, like middleware of Koa. `next()` runs upcast, schema and handler; what it throws is the
 * attempt's error, and what middleware throws instead is so too. Without `next()` no handler runs, and `resultText` must
 * be set. The attempt's timeout covers all of it.
 */
export type RunMiddleware = Middleware<RunCall, void>

/** @throws MiddlewareError, NotJsonError for a result that is not JSON, and what middleware and handler throw */
export async function runAttemptThrough(
  middleware: readonly RunMiddleware[],
  call: RunCall,
  run: (input: unknown) => Promise<string>,
): Promise<string> {
  let made: string | undefined
  await runThrough('run', middleware, call, async () => {
    made = await run(call.input)
    call.resultText = made
  })
  const text = call.resultText
  if (typeof text !== 'string') throw new MiddlewareError('run', 'it ended without next() and without a resultText')
  // The text becomes a part of the result record as it is.
  if (text !== made) decodeJson(text)
  return text
}

/** What an isolated handler left to commit, with what middleware staged in the worker before it. */
export function joinOutcomes(own: Pick<CompletedOutcome, 'counters' | 'effects' | 'jobs'>, of: CompletedOutcome) {
  const counters = new Map(own.counters)
  for (const [name, delta] of of.counters ?? []) counters.set(name, (counters.get(name) ?? 0) + delta)
  const effects = [...(own.effects ?? []), ...(of.effects ?? [])]
  const jobs = [...(own.jobs ?? []), ...(of.jobs ?? [])]
  return { counters, effects, jobs }
}
