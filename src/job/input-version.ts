// Owns the versions of a job's input: the version that a contract is of, and the way of an older stored input to it, one
// upcaster after the other. Which version a stored job has is in its options (src/ledger's stored-job.ts).

import { InputVersionError } from './attempt-errors.js'
import { describeValue } from './describe-value.js'

/**
 * Makes the input of the next version of one that was stored as JSON. It should be pure: a job's attempts each run it.
 * A method's type, so that its parameter may be of the old input's own type.
 */
export type Upcaster = { bivarianceHack(input: unknown): unknown }['bivarianceHack']

export interface VersionOptions {
  /**
   * Version of the input's shape, 1 to 1000. Default 1. Raise it when inputs that are stored would not fit a new schema or
   * would mean something else. Deploy workers before producers: a worker puts back inputs newer than it knows.
   */
  readonly version?: number
  /** What makes version n + 1 of an input of version n, by n. One that is missing fails the jobs that would need it. */
  readonly upcast?: { readonly [version: number]: Upcaster }
}

export interface InputVersions {
  readonly version: number
  readonly upcast: Readonly<Record<number, Upcaster>> | undefined
}

export const VERSION_NAMES = ['version', 'upcast'] as const
const MAX_VERSION = 1_000

/** The checked options; what is wrong with them goes to `problems`. */
export function readVersions(version: unknown, upcast: unknown, problems: string[]): InputVersions {
  const isVersion = typeof version === 'number' && Number.isInteger(version) && version >= 1 && version <= MAX_VERSION
  if (version !== undefined && !isVersion) {
    problems.push(`version: expected a whole number from 1 to ${MAX_VERSION}, got ${describeValue(version)}`)
  }
  const of = isVersion ? version : 1
  if (upcast === undefined) return { version: of, upcast: undefined }
  if (typeof upcast !== 'object' || upcast === null || Array.isArray(upcast)) {
    problems.push(`upcast: expected an object of functions by version, got ${describeValue(upcast)}`)
    return { version: of, upcast: undefined }
  }
  for (const [from, upcaster] of Object.entries(upcast)) {
    const isOlder = /^[1-9]\d{0,3}$/.test(from) && Number(from) < of
    if (!isOlder) problems.push(`upcast: expected versions from 1 to below version (${of}), got ${describeValue(from)}`)
    else if (typeof upcaster !== 'function') {
      problems.push(`upcast.${from}: expected a function, got ${describeValue(upcaster)}`)
    }
  }
  return { version: of, upcast: Object.freeze({ ...upcast }) }
}

/** The version of a stored job's input, from its options; 1 where none is named. */
export function versionOf(stored: object): number {
  const { version } = stored as { readonly version?: unknown }
  return typeof version === 'number' && Number.isInteger(version) && version > 1 ? version : 1
}

/** The stored input in the contract's version. @throws InputVersionError */
export function upcastInput(
  contract: InputVersions & { readonly name: string },
  stored: unknown,
  from: number,
): unknown {
  const { name, version, upcast } = contract
  if (from > version) throw new InputVersionError(name, from, version, 'this build knows none so new')
  let input = stored
  for (let at = from; at < version; at++) {
    const upcaster = upcast && Object.hasOwn(upcast, at) ? upcast[at] : undefined
    if (upcaster === undefined) throw new InputVersionError(name, from, version, `it has no upcast for version ${at}`)
    try {
      input = upcaster(input)
    } catch (error) {
      throw new InputVersionError(name, from, version, `its upcast for version ${at} threw`, { cause: error })
    }
  }
  return input
}
