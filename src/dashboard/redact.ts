// What nobody may see on a page, though jobs carry it: values at the paths of the option `redact`, in inputs and results.
import { InvalidOptionError } from '../job/index.js'

/** What stands in place of a value. It must never come back as a job's input: `isRedacted` tells. */
export const REDACTED = '[redacted]'
const PATH = /^(input|result)(\.[^.\s]{1,64}){1,16}$/
const MAX_PATHS = 100

export type RedactKind = 'input' | 'result'
export type Redact = (kind: RedactKind, value: unknown) => unknown

/** What takes out nothing. */
export const showAll: Redact = (_kind, value) => value

/**
 * A function that gives a copy of a value without what the paths name: `input.password`, `result.token`; `*` is any name or
 * place in a list, and lists on the way are walked through. What no path names is given as it is.
 * @throws InvalidOptionError
 */
export function createRedact(paths: unknown): Redact {
  if (
    !Array.isArray(paths) ||
    paths.length > MAX_PATHS ||
    !paths.every((path) => typeof path === 'string' && PATH.test(path))
  ) {
    throw new InvalidOptionError('redact', "up to 100 paths such as 'input.password' or 'result.*.token'", paths)
  }
  const split = (paths as string[]).map((path) => path.split('.'))
  return (kind, value) => {
    const own = split.filter(([first]) => first === kind).map(([, ...names]) => names)
    return own.length === 0 ? value : without(value, own)
  }
}

function without(value: unknown, paths: readonly (readonly string[])[]): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const inside = paths.map((path) => (path[0] === '*' ? path.slice(1) : path))
    if (inside.some((path) => path.length === 0)) return value.map(() => REDACTED)
    return value.map((each) => without(each, inside))
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => {
      const inside = paths.filter(([first]) => first === name || first === '*').map((path) => path.slice(1))
      if (inside.length === 0) return [name, each]
      return [name, inside.some((path) => path.length === 0) ? REDACTED : without(each, inside)]
    }),
  )
}

/** Whether the value holds what `createRedact` put in place of another, anywhere in it. */
export function isRedacted(value: unknown): boolean {
  return value !== undefined && JSON.stringify(value).includes(JSON.stringify(REDACTED))
}

/** As `Redact`, of a JSON text: an input, or a result's record. One that cannot be read, as it is cut, is taken out whole. */
export function redactText(redact: Redact, kind: RedactKind, text: string): string {
  if (redact === showAll || text === '') return text
  try {
    const value = JSON.parse(text) as unknown
    if (kind === 'input') return JSON.stringify(redact('input', value))
    const record = value as { value?: unknown }
    return JSON.stringify({ ...record, ...('value' in record ? { value: redact('result', record.value) } : {}) })
  } catch {
    return JSON.stringify(REDACTED)
  }
}
