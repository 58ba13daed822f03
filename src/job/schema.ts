// Owns the check of a value against a schema of any library that speaks Standard Schema version 1
// (https://standardschema.dev; its interface is copied here, as the specification asks, so that it costs no dependency).

import { describeValue } from './describe-value.js'
import type { Issue } from './errors.js'
import { jsonPath } from './json-path.js'

const MAX_ISSUES = 20

/** A schema of zod, valibot, arktype or any other library with a `~standard` property. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] }

export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a schema takes. */
export type SchemaInput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['input']
/** What a schema makes of it. */
export type SchemaOutput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['output']

/**
 * What a check found: the parsed value, or the first 20 issues and the number of all. A validator that throws is an
 * issue of its own, with what it threw as `cause`.
 */
export type CheckOutcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly issues: readonly Issue[]; readonly issueCount: number; readonly cause?: unknown }

export function isStandardSchema(value: unknown): value is StandardSchemaV1 {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false
  const standard: unknown = (value as { '~standard'?: unknown })['~standard']
  if (typeof standard !== 'object' || standard === null) return false
  const { version, validate } = standard as { version?: unknown; validate?: unknown }
  return version === 1 && typeof validate === 'function'
}

/**
 * Checks a value. The outcome comes at once when the schema answers at once, else as a promise: test with
 * `instanceof Promise` and spare the await. Never throws and never rejects.
 */
export function checkSchema<Schema extends StandardSchemaV1>(
  schema: Schema,
  value: unknown,
): CheckOutcome<SchemaOutput<Schema>> | Promise<CheckOutcome<SchemaOutput<Schema>>> {
  try {
    const answer: unknown = schema['~standard'].validate(value)
    if (isThenable(answer)) return Promise.resolve(answer).then(toOutcome, threw)
    return toOutcome(answer)
  } catch (error) {
    return threw(error)
  }
}

function toOutcome<Value>(answer: unknown): CheckOutcome<Value> {
  try {
    if (typeof answer !== 'object' || answer === null)
      return brokenSchema('the schema answered with neither value nor issues')
    const { issues, value } = answer as { issues?: unknown; value?: Value }
    if (!issues) return { ok: true, value: value as Value }
    if (!Array.isArray(issues)) return brokenSchema('the schema answered with issues that are not an array')
    if (issues.length === 0) return brokenSchema('the schema refused the value without an issue')
    return { ok: false, issues: issues.slice(0, MAX_ISSUES).map(toIssue), issueCount: issues.length }
  } catch (error) {
    return threw(error)
  }
}

function toIssue({ path = [], message }: StandardIssue): Issue {
  const segments = path.map((segment) => (typeof segment === 'object' ? segment.key : segment))
  return { path: jsonPath(segments), message: String(message) }
}

// What it threw is the cause, not part of the message: a validator's own error may quote the value.
function threw(error: unknown): CheckOutcome<never> {
  const thrown = error instanceof Error ? error.name : describeValue(error)
  return { ...brokenSchema(`the schema's validator threw ${thrown}`), cause: error }
}

function brokenSchema(message: string) {
  return { ok: false, issues: [{ path: '$', message }], issueCount: 1 } as const
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
