// A door of its own for the JSON Schemas of contracts, so that an app that only enqueues does not load zod.
export { type JsonSchema, toJsonSchema } from './contract-schema.js'
