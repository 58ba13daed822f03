// The audit list: who changed what, by which filter, how many, with which result. One capped stream of all queues, so that
// "did someone already?" is one look. Whoever changes something at the request of a person writes it.
import { auditKey, type RedisClient } from '../redis/index.js'

/** Entries that are kept at least; Redis cuts a stream in blocks, so it may hold about a hundred more. */
export const MAX_AUDIT_ENTRIES = 10_000
const MAX_FIELD_CHARACTERS = 1_000

export interface NewAuditEntry {
  /** Name of the person, and the role they had. */
  readonly who: string
  readonly role: string
  /** What was done, as `<things>.<verb>`: `jobs.retry`, `queue.pause`, `worker.quiet`. */
  readonly action: string
  /** The one thing it was done to: `media/a1f`, `media`, a worker's id. */
  readonly target?: string | undefined
  /** What chose the things, where it was more than one, as JSON or words. */
  readonly filter?: string | undefined
  /** How many things were changed. */
  readonly count?: number | undefined
  readonly result: 'done' | 'failed'
  /** Why it failed, or what else there is to say. */
  readonly detail?: string | undefined
}

export interface AuditEntry extends NewAuditEntry {
  /** Place in the list; `before` of the next page. */
  readonly id: string
  /** Milliseconds since 1970, by Redis. */
  readonly at: number
}

export async function writeAudit(client: RedisClient, prefix: string, entry: NewAuditEntry): Promise<void> {
  const fields = Object.entries(entry).flatMap(([name, value]) =>
    value === undefined ? [] : [name, String(value).slice(0, MAX_FIELD_CHARACTERS)],
  )
  await client.xadd(auditKey(prefix), 'MAXLEN', '~', MAX_AUDIT_ENTRIES, '*', ...fields)
}

/** One page of the list, the newest entry first. `before` is the id of the last entry of the page before. */
export async function readAudit(
  client: RedisClient,
  prefix: string,
  { limit, before }: { readonly limit: number; readonly before?: string | undefined },
): Promise<{ readonly entries: readonly AuditEntry[]; readonly next: string | undefined }> {
  const end = before !== undefined && isAuditId(before) ? `(${before}` : '+'
  const found = await client.xrevrange(auditKey(prefix), end, '-', 'COUNT', limit + 1)
  const entries = found.map(([id, fields]) => entryOf(id, fields))
  const page = entries.slice(0, limit)
  return { entries: page, next: entries.length > limit ? page.at(-1)?.id : undefined }
}

export function isAuditId(text: string): boolean {
  return /^\d{1,15}-\d{1,15}$/.test(text)
}

// Another program may have written anything into the stream.
function entryOf(id: string, words: readonly string[]): AuditEntry {
  const fields = new Map<string, string>()
  for (let at = 0; at + 1 < words.length; at += 2) fields.set(words[at] ?? '', words[at + 1] ?? '')
  const count = Number(fields.get('count') ?? Number.NaN)
  return {
    id,
    at: Number(id.split('-', 1)[0]),
    who: fields.get('who') ?? '',
    role: fields.get('role') ?? '',
    action: fields.get('action') ?? '',
    target: fields.get('target'),
    filter: fields.get('filter'),
    count: Number.isSafeInteger(count) ? count : undefined,
    result: fields.get('result') === 'done' ? 'done' : 'failed',
    detail: fields.get('detail'),
  }
}
