// Owns the one text of a JSON value that does not depend on the order in which its properties were written.

/** The JSON text with every object's keys in order: texts of equal values become equal, others stay apart. */
export function canonicalJson(text: string): string {
  return JSON.stringify(ordered(JSON.parse(text)))
}

// What JSON.parse made holds at most 64 levels where encodeJson let it through, so the recursion is no danger.
function ordered(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(ordered)
  const entries = Object.entries(value)
  const isFlat = entries.every(([, inner]) => typeof inner !== 'object' || inner === null)
  if (isFlat && entries.every(([key], at) => at === 0 || key > (entries[at - 1]?.[0] ?? ''))) return value
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, ordered(inner)]))
}
