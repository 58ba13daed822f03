// Owns what may be stored as an input or a result: JSON, with nothing changed on the way. JSON.stringify alone turns
// NaN into null, drops functions and reads cycles until it throws; here each of these is an error with its path.

import { describeValue, isWellFormed } from './describe-value.js'
import { NotJsonError, TooLargeError } from './errors.js'
import { jsonPath } from './json-path.js'

const MAX_DEPTH = 64

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined }

export interface EncodeOptions {
  /** Most UTF-8 bytes that the JSON may take. */
  readonly maxBytes: number
  /** Names the value in errors; a result that is `undefined` is stored as `null`, such an input is refused. */
  readonly what: 'input' | 'result'
}

/** JSON text, and whether it stands for another value than the one given: a `toJSON` spoke, as a Date's does. */
export interface EncodedJson {
  readonly text: string
  readonly converted: boolean
}

/**
 * The value as JSON text. Object properties that are undefined are left out, `toJSON` is honoured, as JSON does.
 * Throws NotJsonError (with the path) for functions, symbols, BigInt, NaN and Infinity, undefined in arrays, cycles,
 * more than 64 levels, own `__proto__` keys, lone surrogates, invalid dates, objects of a class without `toJSON`, and
 * for getters that throw; TooLargeError beyond `maxBytes`. Keys that are symbols are not looked at.
 */
export function encodeJson(value: unknown, options: EncodeOptions): string {
  return encodeJsonNoting(value, options).text
}

/** encodeJson for a caller who must know whether reading the text back gives another value. */
export function encodeJsonNoting(value: unknown, { maxBytes, what }: EncodeOptions): EncodedJson {
  if (value === undefined && what === 'result') return { text: 'null', converted: true }
  const walk: Walk = { size: 0, maxSize: maxBytes, converted: false, ancestors: [] }
  const fault = findFault(value, walk, 0)
  if (fault === TOO_LARGE) throw new TooLargeError(what, Math.max(walk.size, maxBytes + 1), maxBytes)
  if (fault !== undefined) throw toError(fault, what)
  const text = stringify(value, what)
  // A UTF-16 unit takes at most three bytes of UTF-8, so most texts need no count.
  if (text.length * 3 > maxBytes) {
    const bytes = Buffer.byteLength(text)
    if (bytes > maxBytes) throw new TooLargeError(what, bytes, maxBytes)
  }
  return { text, converted: walk.converted }
}

// Only a getter or toJSON that answers differently the second time can make this fail after the walk.
function stringify(value: unknown, what: 'input' | 'result'): string {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new NotJsonError('$', 'a value that changed while it was read', { of: what, cause })
  }
  if (text === undefined) throw new NotJsonError('$', 'a value that changed while it was read', { of: what })
  return text
}

interface Walk {
  // A lower bound of the text's length: it ends the walk early over a huge value, or one that repeats itself.
  size: number
  readonly maxSize: number
  converted: boolean
  readonly ancestors: object[]
}

interface Fault {
  readonly what: string
  readonly cause?: unknown
  // From the inside out: the walk adds them as it returns.
  readonly segments: PropertyKey[]
  // How many of the outermost segments lead to the fault, when not all: a cycle is found long after it closed.
  readonly keep?: number
}

const TOO_LARGE: Fault = { what: 'too large', segments: [] }

function findFault(value: unknown, walk: Walk, key: PropertyKey): Fault | undefined {
  switch (typeof value) {
    case 'string':
      walk.size += value.length + 2
      if (walk.size > walk.maxSize) return TOO_LARGE
      return isWellFormed(value) ? undefined : newFault('a string with a lone surrogate')
    case 'number':
      if (++walk.size > walk.maxSize) return TOO_LARGE
      return Number.isFinite(value) ? undefined : newFault(String(value))
    case 'boolean':
      return ++walk.size > walk.maxSize ? TOO_LARGE : undefined
    case 'object':
      if (++walk.size > walk.maxSize) return TOO_LARGE
      return value === null ? undefined : findFaultInObject(value, walk, key)
    default:
      return newFault(describeValue(value))
  }
}

function findFaultInObject(value: object, walk: Walk, key: PropertyKey): Fault | undefined {
  try {
    const toJson: unknown = (value as { toJSON?: unknown }).toJSON
    if (typeof toJson === 'function') return findFaultInConverted(value, toJson, walk, key)
    return findFaultInside(value, walk)
  } catch (cause) {
    // Reading a property ran code of the caller's (a getter, a proxy), and it threw.
    return newFault('an object that throws when it is read', cause)
  }
}

function findFaultInConverted(value: object, toJson: object, walk: Walk, key: PropertyKey): Fault | undefined {
  walk.converted = true
  if (value instanceof Date && Number.isNaN(value.getTime())) return newFault('an invalid Date')
  let converted: unknown
  try {
    converted = Reflect.apply(toJson as () => unknown, value, [String(key)])
  } catch (cause) {
    return newFault(`${describeValue(value)} whose toJSON throws`, cause)
  }
  // JSON does not ask the answer of a toJSON for its own toJSON.
  if (typeof converted === 'object' && converted !== null) return findFaultInside(converted, walk)
  walk.size -= 1 // counted for the object, in whose place this stands
  return findFault(converted, walk, key)
}

function findFaultInside(value: object, walk: Walk): Fault | undefined {
  if (walk.ancestors.length >= MAX_DEPTH) return tooDeep([...walk.ancestors, value])
  walk.ancestors.push(value)
  const fault = Array.isArray(value) ? findFaultInArray(value, walk) : findFaultInRecord(value, walk)
  walk.ancestors.pop()
  return fault
}

function findFaultInArray(value: readonly unknown[], walk: Walk): Fault | undefined {
  for (let index = 0; index < value.length; index++) {
    const fault = findFault(value[index], walk, index)
    if (fault !== undefined) return at(index, fault)
  }
  return undefined
}

function findFaultInRecord(value: object, walk: Walk): Fault | undefined {
  if (!isPlain(value)) return newFault(describeValue(value))
  for (const key of Object.keys(value)) {
    let item: unknown
    try {
      item = (value as Record<string, unknown>)[key]
    } catch (cause) {
      return at(key, newFault('a getter that throws', cause))
    }
    if (item === undefined) continue
    if (key === '__proto__') return at(key, newFault('a __proto__ key'))
    if (!isWellFormed(key)) return newFault('an object with a key that has a lone surrogate')
    walk.size += key.length + 3
    const fault = findFault(item, walk, key)
    if (fault !== undefined) return at(key, fault)
  }
  return undefined
}

// A prototype without a prototype is Object.prototype, of this realm or of another (node:vm, a test runner).
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

function tooDeep(chain: readonly object[]): Fault {
  for (let index = 1; index < chain.length; index++) {
    const item = chain[index]
    if (item !== undefined && chain.indexOf(item) < index) return { what: 'a cycle', segments: [], keep: index }
  }
  return newFault(`nested deeper than ${MAX_DEPTH} levels`)
}

function newFault(what: string, cause?: unknown): Fault {
  return cause === undefined ? { what, segments: [] } : { what, segments: [], cause }
}

function at(segment: PropertyKey, fault: Fault): Fault {
  if (fault !== TOO_LARGE) fault.segments.push(segment)
  return fault
}

function toError({ what, cause, segments, keep }: Fault, of: 'input' | 'result'): NotJsonError {
  const path = jsonPath(segments.reverse().slice(0, keep))
  return new NotJsonError(path, what, cause === undefined ? { of } : { of, cause })
}

/**
 * The value of JSON text. Throws NotJsonError when the text is not JSON, or holds an object with an own `__proto__`
 * key, which a later merge or assignment would turn into a prototype.
 */
export function decodeJson(text: string): JsonValue {
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch (error) {
    // V8's message quotes the text, which may be a whole input: only the position is kept, counted from 1, and no cause.
    const position = /at position (\d+)/.exec(String(error))?.[1]
    const place = position === undefined ? '' : ` (at character ${Number(position) + 1})`
    throw new NotJsonError('$', `text that is not JSON${place}`)
  }
  // The name can also be written with escapes; a text without either holds no such key.
  if (text.includes('__proto__') || text.includes('\\u00')) refuseProtoKeys(value)
  return value
}

// A place found on the way down; its path is only put together for an error.
interface Place {
  readonly value: unknown
  readonly segment: PropertyKey
  readonly parent: Place | undefined
}

// A loop, not a recursion: JSON.parse reads any depth, and the stack does not hold every one.
function refuseProtoKeys(root: JsonValue): void {
  const open: Place[] = [{ value: root, segment: '$', parent: undefined }]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value } = place
    if (typeof value !== 'object' || value === null) continue
    for (const [key, item] of Object.entries(value)) {
      const inside = { value: item, segment: Array.isArray(value) ? Number(key) : key, parent: place }
      if (key === '__proto__') throw new NotJsonError(pathTo(inside), 'a __proto__ key')
      if (typeof item === 'object') open.push(inside)
    }
  }
}

function pathTo(place: Place): string {
  const segments: PropertyKey[] = []
  for (let at = place; at.parent !== undefined; at = at.parent) segments.push(at.segment)
  return jsonPath(segments.reverse())
}
