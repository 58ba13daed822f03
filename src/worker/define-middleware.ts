// defineMiddleware: what a job file exports so that `drover worker`, `serve`, `enqueue` and `check` treat inputs and
// results alike.
import { InvalidOptionError, refuseUnknown } from '../job/index.js'
import type { InputOpener, StoringMiddleware } from '../ledger/index.js'
import type { RunMiddleware } from './run-middleware.js'

export interface JobMiddleware {
  /** Around each enqueue. */
  readonly enqueue?: StoringMiddleware
  /** Around each run of a handler. */
  readonly run?: RunMiddleware
  /**
   * Gives a stored input as it was before `enqueue` changed it, for `drover check`, and for schedules of job files, of which
   * it tells whether they changed. It opens what was never changed, too.
   */
  readonly openInput?: InputOpener
}

// In the global registry, so that two installed copies of this package accept each other's.
const MIDDLEWARE_BRAND = Symbol.for('drover.middleware')
const NAMES = ['enqueue', 'run', 'openInput'] as const

/** @throws InvalidOptionError, UnknownOptionError */
export function defineMiddleware(middleware: JobMiddleware): JobMiddleware {
  refuseUnknown(middleware, NAMES, 'defineMiddleware')
  for (const name of NAMES) {
    const value: unknown = middleware[name]
    if (value !== undefined && typeof value !== 'function') throw new InvalidOptionError(name, 'a function', value)
  }
  const defined = { ...middleware }
  Object.defineProperty(defined, MIDDLEWARE_BRAND, { value: true })
  return Object.freeze(defined)
}

/** True for what `defineMiddleware` returned, also from another copy of this package. */
export function isJobMiddleware(value: unknown): value is JobMiddleware {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { [MIDDLEWARE_BRAND]?: unknown })[MIDDLEWARE_BRAND] === true
  )
}
