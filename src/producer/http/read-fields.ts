// The fields of an object in a body, none but those that are known.
import { InvalidOptionError, type JsonValue, suggest, UnknownOptionError } from '../../job/index.js'

export type Fields = Readonly<Record<string, JsonValue | undefined>>

/** @throws InvalidOptionError for what is no object, UnknownOptionError for a field too many */
export function readFields(value: JsonValue | undefined, known: readonly string[], where = 'body'): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidOptionError(where, `an object with ${known.join(', ')}`, value)
  }
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) {
      throw new UnknownOptionError(name, suggest(name, known), where === 'body' ? 'the body' : where)
    }
  }
  return value as Fields
}
