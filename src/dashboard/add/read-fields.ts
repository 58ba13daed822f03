// The fields of a form, made from the JSON Schema of a contract's input. What a form cannot show well, such as a list of
// objects, is a field for JSON. A field only helps to write a value: whether it is right is the contract's to say.
import { jsonPath } from '../../job/index.js'
import type { JsonSchema } from '../../job/json-schema/index.js'

export type FieldKind = 'object' | 'text' | 'number' | 'boolean' | 'choice' | 'lines' | 'json'

export interface Field {
  readonly kind: FieldKind
  /** Name of the form's field: `in` and the path, as `in/size/width`. */
  readonly name: string
  /** As issues of the contract name the place: `$.size.width`. */
  readonly path: string
  /** Last part of the path; empty for the whole input. */
  readonly key: string
  readonly isRequired: boolean
  readonly isNullable: boolean
  readonly about: string | undefined
  /** What the contract takes where nothing is given, as JSON. */
  readonly byDefault: string | undefined
  /** What the schema says of it in a few words: `string, 3 to 40 characters`. */
  readonly rule: string
  /** Of an object. */
  readonly fields: readonly Field[]
  /** Of a choice: each as JSON. */
  readonly choices: readonly string[]
  /** Of lines: whether each line is a number. */
  readonly areNumbers: boolean
}

const MAX_DEPTH = 4
const MAX_FIELDS = 100
const MAX_CHOICES = 200
const MAX_REFS = 20

/** The one field that is the whole input: an object with fields of its own, or JSON. */
export function readFields(schema: JsonSchema): Field {
  const left = { count: MAX_FIELDS }
  const root = fieldOf(schema, { root: schema, keys: [], isRequired: true, left })
  return root.kind === 'object' && left.count >= 0 ? root : jsonField()
}

/** The whole input as JSON. */
export function jsonField(): Field {
  return { ...blank([], true), kind: 'json', rule: 'JSON' }
}

/** The field and all within it. */
export function allFields(field: Field): Field[] {
  return [field, ...field.fields.flatMap(allFields)]
}

interface Place {
  readonly root: JsonSchema
  readonly keys: readonly string[]
  readonly isRequired: boolean
  /** How many more fields the form may have. */
  readonly left: { count: number }
}

function blank(keys: readonly string[], isRequired: boolean): Omit<Field, 'kind' | 'rule'> {
  return {
    name: ['in', ...keys.map((key) => key.replaceAll('~', '~0').replaceAll('/', '~1'))].join('/'),
    path: jsonPath(keys),
    key: keys.at(-1) ?? '',
    isRequired,
    isNullable: false,
    about: undefined,
    byDefault: undefined,
    fields: [],
    choices: [],
    areNumbers: false,
  }
}

function fieldOf(given: unknown, place: Place): Field {
  place.left.count--
  const { schema, isNullable } = withoutNull(resolve(given, place.root), place.root)
  const { description, default: byDefault } = { ...asSchema(given), ...schema }
  const common = {
    ...blank(place.keys, place.isRequired),
    isNullable,
    about: typeof description === 'string' ? description : undefined,
    byDefault: byDefault === undefined ? undefined : JSON.stringify(byDefault),
  }
  const choices = choicesOf(schema)
  if (choices !== undefined) return { ...common, kind: 'choice', choices, rule: '' }
  switch (schema.type) {
    case 'string':
      return { ...common, kind: 'text', rule: ruleOfText(schema) }
    case 'number':
    case 'integer':
      return { ...common, kind: 'number', rule: ruleOfNumber(schema) }
    case 'boolean':
      return { ...common, kind: 'boolean', rule: '' }
    case 'array':
      return { ...common, ...listOf(schema, place.root) }
    case 'object':
      return { ...common, ...objectOf(schema, place) }
    default:
      return { ...common, kind: 'json', rule: 'JSON' }
  }
}

function objectOf(schema: JsonSchema, { root, keys, left }: Place): Pick<Field, 'kind' | 'rule' | 'fields'> {
  const properties = Object.entries(asSchema(schema.properties))
  // Of an object that also takes other names, a form could not tell them.
  const isOpen = typeof schema.additionalProperties === 'object' && schema.additionalProperties !== null
  if (schema.properties === undefined || isOpen || keys.length >= MAX_DEPTH) {
    return { kind: 'json', rule: 'JSON object', fields: [] }
  }
  const required = Array.isArray(schema.required) ? schema.required : []
  const fields: Field[] = []
  for (const [key, value] of properties) {
    if (left.count < 0) break
    fields.push(fieldOf(value, { root, keys: [...keys, key], isRequired: required.includes(key), left }))
  }
  return { kind: 'object', rule: '', fields }
}

function listOf(schema: JsonSchema, root: JsonSchema): Pick<Field, 'kind' | 'rule' | 'areNumbers'> {
  const { type, enum: choices } = resolve(schema.items, root)
  const areNumbers = type === 'number' || type === 'integer'
  if (!areNumbers && type !== 'string') return { kind: 'json', rule: 'JSON list', areNumbers }
  const values = Array.isArray(choices) ? `: ${choices.slice(0, MAX_CHOICES).join(', ')}` : ''
  return { kind: 'lines', rule: `${areNumbers ? 'numbers' : 'texts'}, one a line${values}`, areNumbers }
}

function choicesOf({ enum: values, const: only, anyOf, oneOf }: JsonSchema): readonly string[] | undefined {
  if (only !== undefined) return [JSON.stringify(only)]
  const constants = [anyOf, oneOf].flatMap((each) => (Array.isArray(each) ? [each] : []))[0]
  const found = Array.isArray(values) ? values : constants?.map((each) => asSchema(each).const)
  if (found === undefined || found.length === 0 || found.length > MAX_CHOICES) return undefined
  return found.every((value) => value !== undefined) ? found.map((value) => JSON.stringify(value)) : undefined
}

function ruleOfText({ minLength, maxLength, format, pattern }: JsonSchema): string {
  const length = rangeOf(minLength, maxLength, 'characters')
  // The pattern behind a format is long, and says no more.
  const shape = typeof format === 'string' ? format : typeof pattern === 'string' && pattern.length < 80 ? pattern : ''
  return ['text', shape, length].filter((part) => part !== '').join(', ')
}

function ruleOfNumber(schema: JsonSchema): string {
  const { type, minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  const kind = type === 'integer' ? 'whole number' : 'number'
  const above = typeof exclusiveMinimum === 'number' ? `above ${exclusiveMinimum}` : ''
  const below = typeof exclusiveMaximum === 'number' ? `below ${exclusiveMaximum}` : ''
  // Schemas of whole numbers name the largest that JavaScript counts exactly.
  const least = minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum
  return [kind, above, below, rangeOf(least, most, '')].filter((part) => part !== '').join(', ')
}

function rangeOf(least: unknown, most: unknown, unit: string): string {
  const [from, to] = [least, most].map((each) => (typeof each === 'number' ? String(each) : undefined))
  const words =
    from && to ? (from === to ? from : `${from} to ${to}`) : from ? `at least ${from}` : to && `at most ${to}`
  return words ? `${words} ${unit}`.trim() : ''
}

/** `T | null` as T. */
function withoutNull(schema: JsonSchema, root: JsonSchema): { schema: JsonSchema; isNullable: boolean } {
  const { anyOf, oneOf, type, ...rest } = schema
  if (Array.isArray(type)) {
    const [only, ...others] = type.filter((each) => each !== 'null')
    if (others.length === 0 && only !== undefined) return { schema: { ...rest, type: only }, isNullable: true }
    return { schema: rest, isNullable: false }
  }
  const either = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined
  const parts = either?.map((each) => resolve(each, root))
  const [only, ...others] = parts?.filter((each) => each.type !== 'null') ?? []
  if (parts === undefined || only === undefined || others.length > 0 || parts.length < 2) {
    return { schema, isNullable: false }
  }
  return { schema: { ...rest, ...only }, isNullable: true }
}

/** What a reference within the schema refers to, `#` or `#/$defs/Name`; anything where it leads nowhere or round. */
function resolve(given: unknown, root: JsonSchema): JsonSchema {
  let schema = asSchema(given)
  for (let step = 0; typeof schema.$ref === 'string'; step++) {
    if (step === MAX_REFS || !/^#(\/|$)/.test(schema.$ref)) return {}
    const { $ref, ...beside } = schema as { $ref: string }
    const parts = $ref.split('/').slice(1)
    const target = parts.reduce<unknown>((at, part) => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      return typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as JsonSchema)[key] : undefined
    }, root)
    schema = { ...asSchema(target), ...beside }
  }
  return schema
}

function asSchema(value: unknown): JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonSchema) : {}
}
