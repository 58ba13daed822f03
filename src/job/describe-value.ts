// Owns how a value that a caller gave is named in an error message: short, one line, never a password, never a payload.

const MAX_TEXT_LENGTH = 60

/** Cuts `text` to `maxLength` UTF-16 units, the last one an ellipsis when something was left out. Never splits a pair. */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text
  return `${toWellFormed(text.slice(0, maxLength - 1)).replace(/\uFFFD$/, '')}…`
}

/** Replaces the credentials of every URL in `text` by `***`. */
export function hideCredentials(text: string): string {
  return text.replace(/\/\/[^/\s]*@/g, '//***@')
}

/** Names a value in a few words: `"abc"`, `-5`, `null`, `an array of 3`, `a Date`, `an object`. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(cutText(hideCredentials(value), MAX_TEXT_LENGTH))
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'boolean':
    case 'undefined':
      return String(value)
    case 'bigint':
      return 'a BigInt'
    case 'symbol':
      return 'a symbol'
    case 'function':
      return 'a function'
    case 'object':
      return value === null ? 'null' : describeObject(value)
  }
}

function describeObject(value: object): string {
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
    if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object'
    return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${cutText(name, MAX_TEXT_LENGTH)}`
  } catch {
    // A proxy may refuse to be looked at; it is still an object.
    return 'an object'
  }
}

// Node 20 has both; the compiler's es2023 library does not name them yet.
interface WellFormedString {
  isWellFormed(): boolean
  toWellFormed(): string
}

/** True when `text` holds no lone surrogate, that is when it can be written as UTF-8. */
export function isWellFormed(text: string): boolean {
  return (text as unknown as WellFormedString).isWellFormed()
}

/** `text` with each lone surrogate replaced by U+FFFD. */
export function toWellFormed(text: string): string {
  return (text as unknown as WellFormedString).toWellFormed()
}
