// Tells the thread or process of an isolated handler from all others, so that a job file that starts a worker of its own
// does not start one in each of them, which would start theirs.
import { UsageError } from '../job/index.js'

// In the global registry, as the job file may import another copy of this package.
const MARK = Symbol.for('drover.isolated')

export function markIsolatedChild(): void {
  ;(globalThis as { [MARK]?: true })[MARK] = true
}

/** @throws UsageError where isolated handlers run */
export function refuseInIsolatedChild(): void {
  if ((globalThis as { [MARK]?: true })[MARK] !== true) return
  throw new UsageError(
    'a worker is started by a file that was loaded for its isolated handler: keep handlers in files that start nothing',
  )
}
