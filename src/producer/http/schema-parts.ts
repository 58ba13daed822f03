// The small schemas that those of the OpenAPI document are put together from.
import type { JsonSchema } from '../../job/json-schema/index.js'

export const text: JsonSchema = { type: 'string' }
export const whole: JsonSchema = { type: 'integer' }
export const count: JsonSchema = { type: 'integer', minimum: 0 }
export const time: JsonSchema = { type: 'integer', description: 'milliseconds since 1970' }
export const orNull = (schema: JsonSchema): JsonSchema => ({ oneOf: [schema, { type: 'null' }] })
export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` })
export const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items })

/** An object of exactly these fields; all of them are there but those in `optional`. */
export function object(properties: Readonly<Record<string, JsonSchema>>, optional: readonly string[] = []): JsonSchema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', properties, required, additionalProperties: false }
}

export const duration: JsonSchema = {
  description: 'milliseconds, or text such as 500ms, 2s, 5m, 24h, 7d',
  oneOf: [
    { type: 'number', minimum: 0 },
    { type: 'string', pattern: '^[0-9.]+(ms|s|m|h|d)$' },
  ],
}
export const moment: JsonSchema = { oneOf: [{ type: 'number' }, { type: 'string', format: 'date-time' }] }
export const by: JsonSchema = { oneOf: [text, { type: 'array', items: text, minItems: 1 }] }
export const orFalse = (schema: JsonSchema): JsonSchema => ({ oneOf: [schema, { const: false }] })
