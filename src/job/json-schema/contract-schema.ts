// The JSON Schema of a contract's input and result, for the OpenAPI document and for forms: by zod's own function for zod 4, by the
// standard's extension where another library has it (https://standardschema.dev/json-schema), else one that takes anything.
import { z } from 'zod'
import type { StandardSchemaV1 } from '../schema.js'

export type JsonSchema = Readonly<Record<string, unknown>>

const TARGET = 'draft-2020-12'
/** Takes anything: what is known of a schema whose library gives no JSON Schema. */
const OPEN: JsonSchema = {}

interface JsonSchemaGiver {
  readonly input?: (options: { readonly target: string }) => unknown
  readonly output?: (options: { readonly target: string }) => unknown
}

/** `input`: what the schema takes; `output`: what it makes of it. JSON in any case. */
export function toJsonSchema(schema: StandardSchemaV1 | undefined, side: 'input' | 'output'): JsonSchema {
  if (schema === undefined) return OPEN
  const standard = schema['~standard'] as StandardSchemaV1['~standard'] & { readonly jsonSchema?: JsonSchemaGiver }
  try {
    const given = ofZod(schema, side) ?? standard.jsonSchema?.[side]?.({ target: TARGET })
    if (typeof given !== 'object' || given === null) return OPEN
    // Both name themselves; inside a larger document that would be another dialect.
    const { $schema: _schema, ...rest } = JSON.parse(JSON.stringify(given, onlyJson)) as Record<string, unknown>
    return rest
  } catch {
    // A transform or a custom check has no JSON Schema: the document says less, the enqueue still checks all of it.
    return OPEN
  }
}

// A library may write a BigInt where its schema has one (`const`, `default`, `enum`), which no JSON can hold: less is said then.
function onlyJson(_key: string, value: unknown): unknown {
  const isNone = typeof value === 'bigint' || (Array.isArray(value) && value.some((each) => typeof each === 'bigint'))
  return isNone ? undefined : value
}

function ofZod(schema: StandardSchemaV1, side: 'input' | 'output'): unknown {
  if (schema['~standard'].vendor !== 'zod' || !('_zod' in schema)) return undefined
  return z.toJSONSchema(schema as unknown as z.ZodType, { target: TARGET, io: side, unrepresentable: 'any' })
}
