// What the thread or process of an isolated handler is told of its attempt, and what it may have done meanwhile.
import type { StartedJob } from '../attempt-room.js'
import type { JobLogger } from '../context.js'
import type { KeptStore } from '../steps/kept-store.js'
import type { IsolatedRun } from './child.js'
import { type AskedAttempt, answerAsk } from './kept-asks.js'

export interface IsolatedAttempt extends AskedAttempt {
  readonly signal: AbortSignal
  readonly log: JobLogger
}

/** `data` is the input, which middleware may have changed. */
export function runOfAttempt(
  attempt: IsolatedAttempt,
  job: StartedJob,
  data: unknown,
  { onStarted, store }: { readonly onStarted: () => void; readonly store: KeptStore | undefined },
): IsolatedRun {
  const { id, name, attemptsMade, attemptsStarted, timestamp, opts } = job
  const { attempts, delay, version } = opts
  return {
    job: { id: String(id), name, data, attemptsMade, attemptsStarted, timestamp, opts: { attempts, delay, version } },
    signal: attempt.signal,
    onStarted,
    onLog: ({ level, fields, text }) => {
      if (fields === undefined) attempt.log[level](text ?? '')
      else attempt.log[level](fields, text)
    },
    onProgress: (value) => job.updateProgress(value),
    onAsk: (ask) => answerAsk(attempt, store, ask),
  }
}
