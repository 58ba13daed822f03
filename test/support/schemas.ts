// Schemas for jobs of tests that are about something else.
import type { JsonValue, StandardSchemaV1 } from '../../src/job/index.js'

/** Takes anything that is JSON. */
export const anything: StandardSchemaV1<JsonValue> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value: value as JsonValue }) },
}
