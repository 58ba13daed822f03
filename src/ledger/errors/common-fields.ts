// What the inputs of failed jobs have in common: fields that have the same value in all or most of them.

export interface CommonField {
  /** As in `$.address.country`. */
  readonly path: string
  /** JSON text of the value, at most 80 characters. */
  readonly value: string
  /** Inputs that have it. */
  readonly count: number
  readonly of: number
}

const MAX_DEPTH = 5
/** Fields looked at in one input: an input may have a hundred thousand. */
const MAX_FIELDS = 200
const MAX_FOUND = 12
const MAX_VALUE = 80
const MAX_PATH = 120

/** Fields whose value is the same in at least half of the inputs, and in two at least; the most common first. */
export function commonFields(inputs: readonly string[]): CommonField[] {
  const counts = new Map<string, { path: string; value: string; count: number }>()
  let read = 0
  for (const input of inputs) {
    const fields = fieldsOf(input)
    if (fields === undefined) continue
    read++
    for (const [path, value] of fields) {
      const key = `${path} ${value}`
      const known = counts.get(key)
      if (known) known.count++
      else counts.set(key, { path, value, count: 1 })
    }
  }
  const least = Math.max(2, Math.ceil(read / 2))
  return [...counts.values()]
    .filter(({ count }) => count >= least)
    .sort((left, right) => right.count - left.count || left.path.length - right.path.length)
    .slice(0, MAX_FOUND)
    .map((found) => ({ ...found, of: read }))
}

function fieldsOf(input: string): Map<string, string> | undefined {
  let value: unknown
  try {
    value = JSON.parse(input)
  } catch {
    // Not JSON: an app that encrypts its inputs, or a stranger.
    return undefined
  }
  const fields = new Map<string, string>()
  collect(value, '$', 0, fields)
  return fields
}

function collect(value: unknown, path: string, depth: number, fields: Map<string, string>): void {
  if (fields.size >= MAX_FIELDS || path.length > MAX_PATH) return
  if (typeof value !== 'object' || value === null) {
    const text = JSON.stringify(value) ?? 'null'
    if (text.length <= MAX_VALUE) fields.set(path, text)
    return
  }
  if (depth === MAX_DEPTH) return
  for (const [name, inner] of Object.entries(value)) {
    const step = Array.isArray(value) ? `[${name}]` : `.${name}`
    collect(inner, path + step, depth + 1, fields)
  }
}
