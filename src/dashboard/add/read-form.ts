// The input that somebody wrote into a form: the JSON value that its fields stand for. A text that is no number stays one,
// so that the contract says what is wrong with it, beside the field.
import type { Field } from './read-fields.js'

export type FormBody = Readonly<Record<string, unknown>>

export interface WrittenInput {
  /** Undefined: nothing was given. */
  readonly value: unknown
  /** What is no JSON, by the path of its field. */
  readonly complaints: ReadonlyMap<string, string>
}

const MAX_WHY = 200
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

export function readForm(root: Field, body: FormBody): WrittenInput {
  const complaints = new Map<string, string>()
  const value = writtenIn(root, body, complaints)
  return { value: value === undefined && root.kind === 'object' ? {} : value, complaints }
}

/** The text of a field as it was sent: the first of one name. */
export function textOf(body: FormBody, name: string): string {
  const value = Object.hasOwn(body, name) ? body[name] : ''
  const first = Array.isArray(value) ? value[0] : value
  // Browsers send line ends as \r\n.
  return typeof first === 'string' ? first.replaceAll('\r\n', '\n') : ''
}

function writtenIn(field: Field, body: FormBody, complaints: Map<string, string>): unknown {
  const { kind, isRequired, isNullable } = field
  if (kind === 'object') {
    // Texts and lists that are needed within it are not given either, when nothing of it is.
    if ((isNullable || !isRequired) && isUntouched(field, body)) return isRequired ? null : undefined
    const values = field.fields.flatMap((each) => {
      const value = writtenIn(each, body, complaints)
      return value === undefined ? [] : [[each.key, value] as const]
    })
    return Object.fromEntries(values)
  }
  const text = textOf(body, field.name)
  if (kind === 'lines') {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    if (lines.length === 0) return isRequired ? [] : undefined
    return field.areNumbers ? lines.map(numberOf) : lines
  }
  if (kind === 'text') return text !== '' ? text : isNullable && isRequired ? null : isRequired ? '' : undefined
  if (text.trim() === '') return isNullable && isRequired ? null : undefined
  return kind === 'number' ? numberOf(text) : parse(field, text, complaints)
}

function isUntouched({ kind, name, fields }: Field, body: FormBody): boolean {
  return kind === 'object' ? fields.every((each) => isUntouched(each, body)) : textOf(body, name) === ''
}

function numberOf(text: string): number | string {
  const trimmed = text.trim()
  const value = Number(trimmed)
  const isExact = !Number.isInteger(value) || Number.isSafeInteger(value)
  return NUMBER.test(trimmed) && Number.isFinite(value) && isExact ? value : text
}

function parse({ path }: Field, text: string, complaints: Map<string, string>): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    complaints.set(path, `is not JSON: ${error instanceof Error ? error.message.slice(0, MAX_WHY) : ''}`)
    return undefined
  }
}
