// Owns the class that every error of Drover extends. The errors themselves are in errors.ts (what a caller gave),
// attempt-errors.ts (what happens to a running job) and redis-errors.ts (what Redis and its data do).

// In the global registry, so that two installed copies of this package know each other's errors.
const ERROR_BRAND = Symbol.for('drover.error')

export interface DroverErrorOptions {
  readonly cause?: unknown
}

/**
 * What every error of Drover is. Branch on `code` (or on the class), never on the message: codes are stable across
 * versions, messages are not. docs/errors.md says for each code what to do.
 */
export class DroverError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: DroverErrorOptions) {
    super(message, options)
    this.code = code
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true, writable: true })
  }

  get [ERROR_BRAND](): true {
    return true
  }
}

/** True for every error of Drover, also of another installed copy of it (where `instanceof` says no). */
export function isDroverError(value: unknown): value is DroverError {
  return value instanceof Error && (value as { [ERROR_BRAND]?: unknown })[ERROR_BRAND] === true
}
