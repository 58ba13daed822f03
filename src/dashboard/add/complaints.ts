// What an enqueue that was refused says about the fields of its form: beside the field where it is about one, else above.
import { DroverError, InvalidInputError, InvalidOptionError, NotJsonError } from '../../job/index.js'
import { OPTION_FIELDS, optionName } from './add-options.js'
import type { Field } from './read-fields.js'

/** By the name of the form's field; what is about none of them by `''`. */
export type Complaints = ReadonlyMap<string, readonly string[]>

/** Codes of what is wrong with a request, not with us, and the status that answers it. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  INVALID_INPUT: 400,
  NOT_JSON: 400,
  INVALID_OPTION: 400,
  UNKNOWN_OPTION: 400,
  INVALID_JOB_ID: 400,
  TOO_LARGE: 413,
  IDEMPOTENCY_CONFLICT: 409,
  QUEUE_FULL: 409,
}

/** The status for an enqueue that was refused for what was asked; undefined for any other error. */
export function refusalStatus(error: unknown): number | undefined {
  if (!(error instanceof DroverError) || !Object.hasOwn(STATUS_OF_CODE, error.code)) return undefined
  return STATUS_OF_CODE[error.code]
}

export function complaintsOf(error: unknown, fields: readonly Field[]): Complaints {
  if (error instanceof InvalidInputError) {
    const { issues, issueCount } = error
    const found = collect(issues.map(({ path, message }) => [placeOf(path, fields), message, path] as const))
    const more = issueCount - issues.length
    return more > 0 ? new Map([...found, ['', [...(found.get('') ?? []), `and ${more} more`]]]) : found
  }
  if (error instanceof NotJsonError) return collect([[placeOf(error.path, fields), error.message, '']])
  if (error instanceof InvalidOptionError && OPTION_FIELDS.some(({ option }) => option === error.option)) {
    return new Map([[optionName(error.option), [`expected ${error.expected}`]]])
  }
  return new Map([['', [error instanceof Error ? error.message : '']]])
}

interface At {
  readonly name: string
  readonly path: string
}

/** The innermost field that the path leads to or through. */
function placeOf(path: string, fields: readonly Field[]): At {
  const leads = ({ path: own }: Field) => path === own || (path.startsWith(own) && /^[.[]/.test(path.slice(own.length)))
  const [nearest] = fields.filter(leads).sort((left, right) => right.path.length - left.path.length)
  // What is about the whole of a form stands above it.
  return nearest === undefined || (nearest.key === '' && nearest.kind === 'object')
    ? { name: '', path: '$' }
    : { name: nearest.name, path: nearest.path }
}

function collect(found: readonly (readonly [at: At, message: string, path: string])[]): Complaints {
  const complaints = new Map<string, string[]>()
  for (const [{ name, path: own }, message, path] of found) {
    const inner = path === '' || path === own ? message : `${path}: ${message}`
    complaints.set(name, [...(complaints.get(name) ?? []), inner])
  }
  return complaints
}
