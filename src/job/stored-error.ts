// Owns what of a thrown value is stored in a result's error record: whatever a handler threw, this yields four short
// strings and never throws itself.

import { cutText, describeValue, toWellFormed } from './describe-value.js'

/** The `error` of a failed job's result record. */
export interface StoredError {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly stack?: string
}

export interface StoredErrorLimits {
  /** Default 4096. A longer message is cut and ends with an ellipsis. */
  readonly maxMessageBytes?: number
  /** Default 8192. A longer stack is cut and ends with an ellipsis. */
  readonly maxStackBytes?: number
}

const MAX_NAME_LENGTH = 128
const MAX_INNER_ERRORS = 3

/**
 * The record of a thrown value: of an error its name, message, code and stack, of anything else the name `NonError`
 * and its description. Causes and own properties are left out, they may be cyclic, large or secret.
 */
export function serializeError(thrown: unknown, limits: StoredErrorLimits = {}): StoredError {
  const { maxMessageBytes = 4096, maxStackBytes = 8192 } = limits
  if (typeof thrown === 'string') return { name: 'NonError', message: cutBytes(thrown, maxMessageBytes) }
  const fullMessage = messageOf(thrown)
  if (fullMessage === undefined) return { name: 'NonError', message: cutBytes(describeValue(thrown), maxMessageBytes) }
  const message = cutBytes(fullMessage, maxMessageBytes)
  const name = read(thrown, 'name')
  const code = read(thrown, 'code')
  const stack = read(thrown, 'stack')
  return {
    name: typeof name === 'string' && name !== '' ? toWellFormed(cutText(name, MAX_NAME_LENGTH)) : 'Error',
    message,
    ...(isCode(code) && { code: toWellFormed(cutText(String(code), MAX_NAME_LENGTH)) }),
    ...(typeof stack === 'string' && { stack: cutBytes(shortenHead(stack, fullMessage, message), maxStackBytes) }),
  }
}

// An AggregateError of Node's network code has no message of its own; its inner errors say what happened.
function messageOf(thrown: unknown): string | undefined {
  const message = read(thrown, 'message')
  if (typeof message !== 'string') return isError(thrown) ? '' : undefined
  if (message !== '') return message
  const inner = read(thrown, 'errors')
  if (!Array.isArray(inner)) return message
  return inner
    .slice(0, MAX_INNER_ERRORS)
    .map((error) => read(error, 'message'))
    .filter((text) => typeof text === 'string')
    .join('; ')
}

// V8 starts a stack with the message: a long one would push every frame over the limit.
function shortenHead(stack: string, fullMessage: string, message: string): string {
  return fullMessage === message ? stack : stack.replace(fullMessage, () => message)
}

function read(holder: unknown, key: string): unknown {
  if (holder === null || (typeof holder !== 'object' && typeof holder !== 'function')) return undefined
  try {
    return (holder as Record<string, unknown>)[key]
  } catch {
    // A getter of the thrown value threw; what cannot be read is left out of the record.
    return undefined
  }
}

function isError(value: unknown): boolean {
  try {
    return value instanceof Error
  } catch {
    // A proxy's getPrototypeOf trap threw; such a value is described, not read.
    return false
  }
}

function isCode(code: unknown): code is string | number {
  return (typeof code === 'string' && code !== '') || Number.isFinite(code)
}

function cutBytes(text: string, maxBytes: number): string {
  // A UTF-16 unit takes at least one byte, so this many hold every byte that is kept: a huge text is never encoded whole.
  const head = toWellFormed(text.length > maxBytes ? text.slice(0, maxBytes) : text)
  if (head.length === text.length && Buffer.byteLength(head) <= maxBytes) return head
  const ellipsis = '…'
  const bytes = Buffer.from(head).subarray(0, maxBytes - Buffer.byteLength(ellipsis))
  // Cutting bytes can leave half a character, which decodes to U+FFFD.
  return `${bytes.toString('utf8').replace(/\uFFFD+$/, '')}${ellipsis}`
}
