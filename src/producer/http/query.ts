// What a request asks for besides its body: query parameters, `Prefer: wait`, `Idempotency-Key`, and where a page of a
// list begins. Unknown parameters are refused: one that is misspelt would be left out silently.
import type { Request } from 'express'
import { InvalidOptionError, type JsonValue, suggest, UnknownOptionError } from '../../job/index.js'
import { refuse } from './problem.js'

export const DEFAULT_PAGE = 50
export const MAX_PAGE = 500
/** Longest time in seconds that an answer is held back for; a client that asks for more gets this. */
export const MAX_WAIT_SECONDS = 60

/** As the producer's `key`. */
const KEY = /^[\w.:@/+=-]{1,256}$/
const WAIT = /^wait="?(\d{1,9})"?$/

/** The query's values by name. @throws UnknownOptionError, InvalidOptionError for one that is given twice */
export function readQuery(request: Request, known: readonly string[]): Readonly<Record<string, string | undefined>> {
  const at = request.originalUrl.indexOf('?')
  const values: Record<string, string> = Object.create(null)
  if (at < 0) return values
  for (const [name, value] of new URLSearchParams(request.originalUrl.slice(at + 1))) {
    if (!known.includes(name)) throw new UnknownOptionError(name, suggest(name, known), 'the query')
    if (values[name] !== undefined) throw new InvalidOptionError(name, 'one value', 'two values')
    values[name] = value
  }
  return values
}

/** The fields of a body. @throws InvalidOptionError for what is no object, UnknownOptionError */
export function readFields(body: JsonValue, known: readonly string[]): Readonly<Record<string, JsonValue | undefined>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new InvalidOptionError('body', `an object with some of ${known.join(', ')}`, body)
  }
  for (const name of Object.keys(body)) {
    if (!known.includes(name)) throw new UnknownOptionError(name, suggest(name, known), 'the body')
  }
  return body as Readonly<Record<string, JsonValue | undefined>>
}

/** How many items a page has. @throws InvalidOptionError */
export function readLimit(value: string | undefined): number {
  if (value === undefined) return DEFAULT_PAGE
  const limit = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (limit >= 1 && limit <= MAX_PAGE) return limit
  throw new InvalidOptionError('limit', `a whole number from 1 to ${MAX_PAGE}`, value)
}

/** The seconds of `Prefer: wait=30`, undefined without it. @throws InvalidOptionError */
export function readWaitSeconds({ headers }: Request): number | undefined {
  const { prefer } = headers
  if (prefer === undefined) return undefined
  const preferences = String(prefer)
    .toLowerCase()
    .split(',')
    .map((each) => (each.split(';', 1)[0] ?? '').trim())
  const wait = preferences.find((each) => each === 'wait' || each.startsWith('wait='))
  if (wait === undefined) return undefined
  const seconds = WAIT.exec(wait)?.[1]
  if (seconds === undefined) throw new InvalidOptionError('Prefer: wait', 'whole seconds, as in wait=30', wait)
  return Math.min(Number(seconds), MAX_WAIT_SECONDS)
}

/** @throws Refusal for a key that the producer would not take */
export function readIdempotencyKey({ headers }: Request): string | undefined {
  const key = headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && KEY.test(key)) return key
  throw refuse('INVALID_IDEMPOTENCY_KEY', 'Idempotency-Key takes 1 to 256 characters of A-Z a-z 0-9 _ . : @ / + = -.')
}

/** A page of a list that is sorted by name: those behind the cursor, and the cursor of the next page. */
export function pageOfNames<Item>(
  items: readonly Item[],
  nameOf: (item: Item) => string,
  { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
): { readonly items: Item[]; readonly next: string | null } {
  const after = cursor === undefined ? undefined : readCursor(cursor)
  const rest = after === undefined ? items : items.filter((item) => nameOf(item) > after)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return { items: page, next: rest.length > page.length && last !== undefined ? writeCursor(nameOf(last)) : null }
}

/** Cursors are opaque to clients, so that what they hold can change. */
export function writeCursor(text: string): string {
  return Buffer.from(text).toString('base64url')
}

/** @throws InvalidOptionError */
export function readCursor(cursor: string): string {
  if (/^[\w-]{1,400}$/.test(cursor)) return Buffer.from(cursor, 'base64url').toString('utf8')
  throw new InvalidOptionError('cursor', 'the `next` of the page before', cursor)
}
