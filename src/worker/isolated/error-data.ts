// Errors across the border of a thread or process: as data on the way, and as an error of the same class behind it, so
// that the retry policy and `ctx.signal.reason` see what they would see without a border.
import * as job from '../../job/index.js'
import type { ErrorData } from './messages.js'

type ErrorClass = { readonly prototype: job.DroverError }

const MAX_FIELDS_CHARACTERS = 65_536

const CLASSES = new Map<string, ErrorClass>()
for (const [name, value] of Object.entries(job)) if (isErrorClass(value)) CLASSES.set(name, value)

/** Never throws, whatever was thrown. */
export function packError(thrown: unknown): ErrorData {
  const stored = job.serializeError(thrown)
  const nearest = nearestClass(thrown)
  if (nearest === undefined) return { stored }
  return { stored, of: nearest, fields: readFields(thrown as job.DroverError) }
}

/** What was packed: an error with the same record and of the same class of ours, or the text of what was no error. */
export function unpackError({ stored, of, fields }: ErrorData): unknown {
  // A text is stored as this record again.
  if (stored.name === 'NonError') return stored.message
  const error = new Error(stored.message)
  const known = of === undefined ? undefined : CLASSES.get(of)
  if (known !== undefined) {
    Object.setPrototypeOf(error, known.prototype)
    Object.assign(error, fields)
  }
  for (const [name, value] of Object.entries({ name: stored.name, stack: stored.stack })) {
    Object.defineProperty(error, name, { value, configurable: true, writable: true })
  }
  return stored.code === undefined ? error : Object.assign(error, { code: stored.code })
}

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && (value === job.DroverError || value.prototype instanceof job.DroverError)
}

// A user may extend a class of ours; what decides about the next attempt is ours.
function nearestClass(thrown: unknown): string | undefined {
  if (!(thrown instanceof job.DroverError)) return undefined
  for (let at: unknown = Object.getPrototypeOf(thrown); at !== null; at = Object.getPrototypeOf(at)) {
    for (const [name, { prototype }] of CLASSES) if (prototype === at) return name
  }
  return undefined
}

function readFields(error: job.DroverError): Record<string, unknown> {
  try {
    const text = JSON.stringify({ ...error, cause: undefined })
    return text.length > MAX_FIELDS_CHARACTERS ? {} : (JSON.parse(text) as Record<string, unknown>)
  } catch {
    // A field that a user's subclass added is not JSON: name, message, code and stack are kept all the same.
    return {}
  }
}
