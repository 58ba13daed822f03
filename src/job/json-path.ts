// Owns how a place inside a JSON value is written: `$.items[3].price`, `$["odd key"]`.

import { cutText } from './describe-value.js'

const IDENTIFIER_PATTERN = /^[A-Za-z_$][A-Za-z0-9_$]*$/
const MAX_KEY_LENGTH = 64

export function jsonPath(segments: readonly PropertyKey[]): string {
  return `$${segments.map(writeSegment).join('')}`
}

function writeSegment(segment: PropertyKey): string {
  if (typeof segment === 'number') return `[${segment}]`
  const key = cutText(String(segment), MAX_KEY_LENGTH)
  return IDENTIFIER_PATTERN.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
}
