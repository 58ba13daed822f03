// Owns how middleware runs: each around the next, in the order given, with what is wrapped innermost. What the two sides
// hand to it is src/producer's enqueue-middleware.ts and src/worker's run-middleware.ts.
import { MiddlewareError } from './enqueue-errors.js'
import { InvalidOptionError } from './errors.js'

/** One function around a call. What it throws goes to the one outside of it. */
export type Middleware<Call, Result> = (call: Call, next: () => Promise<Result>) => Promise<Result> | Result

/** Undefined for none, so that a call without any costs nothing. @throws InvalidOptionError */
export function checkMiddleware<Kind>(given: readonly Kind[] | undefined): readonly Kind[] | undefined {
  if (given === undefined) return undefined
  if (!Array.isArray(given) || !given.every((each) => typeof each === 'function')) {
    throw new InvalidOptionError('middleware', 'an array of functions', given)
  }
  return given.length === 0 ? undefined : [...given]
}

/** Runs `core` within the middleware. @throws MiddlewareError, and what middleware and `core` throw */
export function runThrough<Call, Result>(
  side: 'enqueue' | 'run',
  middleware: readonly Middleware<Call, Result>[],
  call: Call,
  core: () => Promise<Result>,
): Promise<Result> {
  const runFrom = async (index: number): Promise<Result> => {
    const current = middleware[index]
    if (current === undefined) return core()
    let isCalled = false
    return current(call, async () => {
      if (isCalled) throw new MiddlewareError(side, 'next() was called twice; it may run once')
      isCalled = true
      return runFrom(index + 1)
    })
  }
  return runFrom(0)
}
