// Everything that Redis has of one job, in two round trips, and no more of it than a page shows.
import { readFileSync } from 'node:fs'
import { type JobResult, parseResult } from '../../ledger/index.js'
import { type KeysOfQueue, queueKeys, type RedisClient } from '../../redis/index.js'
import { type Redact, type RedactKind, redactText } from '../redact.js'
import { unpack } from './job-rows.js'

/** Characters of one text that a page shows; the rest is behind its `raw` link. */
export const MAX_SHOWN = 32_768
/** Log lines that a page shows: the last ones. */
export const MAX_LOG_LINES = 200
const PARSED_BYTES = 65_536

/** A text as a page shows it: whole, or its beginning. */
export interface CutText {
  readonly text: string
  /** Bytes of all of it. */
  readonly bytes: number
}

export interface FailedAttempt {
  readonly attempt: number
  readonly startedAt?: number
  readonly endedAt?: number
  readonly name?: string
  readonly message?: string
  readonly code?: string
  readonly worker?: string
  readonly release?: string
}

export interface JobDetails {
  readonly id: string
  readonly queue: string
  readonly keys: KeysOfQueue
  /** False for a job that BullMQ no longer keeps: then only the result is known. */
  readonly isKept: boolean
  readonly job: string
  /** As BullMQ 6 names states. */
  readonly state: string
  readonly enqueuedAt: number | null
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly delayMs: number
  readonly priority: number
  /** Attempts that ended; attempts that began; times it was handed out again after a lost lock. */
  readonly attempts: number
  readonly attemptsStarted: number
  readonly stalls: number
  /** Options as they are stored. */
  readonly options: Readonly<Record<string, unknown>>
  /** What limits it: `<spec> <ID>`, as limit-functions.lua of the ledger reads it. A debounced job's options may have an older one. */
  readonly limit: string | undefined
  readonly isCancelling: boolean
  readonly failedReason: string | null
  /** The attempts that failed: the first and the newest 19. */
  readonly failedAttempts: readonly FailedAttempt[]
  readonly progress: string | null
  readonly worker: string | null
  /** Id of the error group that it is in, of a job that failed for good. */
  readonly errorGroup: string | null
  readonly input: CutText | undefined
  readonly result: JobResult | undefined
  /** The result's text, cut, where it is too large to be parsed. */
  readonly resultText: CutText | undefined
  readonly resultTtlMs: number | null
  readonly logs: readonly string[]
  readonly logCount: number
}

const FIELDS = [
  ...(['name', 'timestamp', 'delay', 'priority', 'processedOn', 'finishedOn', 'atm', 'ats', 'stc'] as const),
  ...(['opts', 'defa', 'failedReason', 'drover:attempts', 'progress', 'pb', 'drover:group', 'drover:limit'] as const),
]
const PLACES = ['completed', 'failed', 'delayed', 'prioritized', 'waiting-children'] as const
const cutFieldLua = readFileSync(new URL('./cut-field.lua', import.meta.url), 'utf8')

/** The job, or undefined when neither it nor a result of it is there. */
export async function readJob(
  client: RedisClient,
  prefix: string,
  queue: string,
  id: string,
  redact: Redact,
): Promise<JobDetails | undefined> {
  const keys = queueKeys(prefix, queue)
  const key = keys.bullBase + id
  const look = client.pipeline().hmget(key, ...FIELDS)
  look.hstrlen(key, 'data').strlen(keys.result(id)).pttl(keys.result(id)).llen(`${key}:logs`)
  look.lrange(`${key}:logs`, -MAX_LOG_LINES, -1).lpos(`${keys.bullBase}active`, id)
  for (const place of PLACES) look.zscore(keys.bullBase + place, id)
  const [hash, inputBytes, resultBytes, ttl, logCount, logs, activeAt, ...scores] = unpack(await look.exec())
  const fields = new Map(FIELDS.map((name, index) => [name, ((hash ?? []) as (string | null)[])[index] ?? null]))
  // Every job has a timestamp; a queue's own hashes, and those of schedulers, have none.
  const isKept = fields.get('timestamp') != null
  const [inputWhole, resultWhole] = await Promise.all([
    isKept ? readField(client, key, Number(inputBytes)) : '',
    readText(client, keys.result(id), Number(resultBytes)),
  ])
  const inputText = redactText(redact, 'input', inputWhole)
  const resultText = redactText(redact, 'result', resultWhole)
  const result = Number(resultBytes) <= PARSED_BYTES ? (parseResult(resultText) ?? undefined) : undefined
  if (!isKept && resultText === '') return undefined
  const numberOf = (name: (typeof FIELDS)[number]) => toNumber(fields.get(name) ?? null)
  return {
    id,
    queue,
    keys,
    isKept,
    job: fields.get('name') ?? result?.job ?? 'unknown',
    state: isKept ? stateOf(scores, activeAt) : (result?.status ?? 'gone'),
    enqueuedAt: numberOf('timestamp') ?? result?.enqueuedAt ?? null,
    startedAt: numberOf('processedOn') ?? result?.startedAt ?? null,
    finishedAt: numberOf('finishedOn') ?? result?.finishedAt ?? null,
    delayMs: numberOf('delay') ?? 0,
    priority: numberOf('priority') ?? 0,
    attempts: numberOf('atm') ?? result?.attempts ?? 0,
    attemptsStarted: numberOf('ats') ?? 0,
    stalls: numberOf('stc') ?? 0,
    options: toObject(fields.get('opts') ?? null),
    limit: toLimit(fields.get('drover:limit') ?? null),
    isCancelling: fields.get('defa') === 'the job was cancelled',
    failedReason: fields.get('failedReason') ?? null,
    failedAttempts: toAttempts(fields.get('drover:attempts') ?? null),
    progress: fields.get('progress') ?? null,
    worker: fields.get('pb') ?? null,
    errorGroup: fields.get('drover:group') ?? null,
    input: isKept ? { text: inputText, bytes: Number(inputBytes) } : undefined,
    result,
    resultText: resultText === '' ? undefined : { text: resultText, bytes: Number(resultBytes) },
    resultTtlMs: Number(ttl) > 0 ? Number(ttl) : null,
    logs: (logs ?? []) as string[],
    logCount: Number(logCount ?? 0),
  }
}

/** The whole of one part, for its `raw` link; null when it is not there. */
export async function readRaw(
  client: RedisClient,
  prefix: string,
  { queue, id, part }: { readonly queue: string; readonly id: string; readonly part: 'input' | 'result' | 'logs' },
  redact: Redact,
): Promise<string | null> {
  const keys = queueKeys(prefix, queue)
  const shown = (kind: RedactKind, text: string | null) => (text === null ? null : redactText(redact, kind, text))
  if (part === 'result') return shown('result', await client.get(keys.result(id)))
  const key = keys.bullBase + id
  if ((await client.hexists(key, 'timestamp')) !== 1) return null
  if (part === 'input') return shown('input', await client.hget(key, 'data'))
  return (await client.lrange(`${key}:logs`, -MAX_RAW_LOG_LINES, -1)).join('\n')
}

const MAX_RAW_LOG_LINES = 10_000

async function readField(client: RedisClient, key: string, bytes: number): Promise<string> {
  if (bytes <= PARSED_BYTES) return (await client.hget(key, 'data')) ?? ''
  return String((await client.eval(cutFieldLua, 1, key, 'data', MAX_SHOWN)) ?? '')
}

async function readText(client: RedisClient, key: string, bytes: number): Promise<string> {
  if (!(bytes > 0)) return ''
  return bytes <= PARSED_BYTES ? ((await client.get(key)) ?? '') : client.getrange(key, 0, MAX_SHOWN - 1)
}

// In no sorted set and not active: BullMQ's list of waiting jobs, which is too long to look through.
function stateOf(scores: readonly unknown[], activeAt: unknown): string {
  const at = scores.findIndex((score) => score !== null)
  return PLACES[at] ?? (activeAt === null ? 'waiting' : 'active')
}

function toNumber(text: string | null): number | null {
  return text === null || !Number.isFinite(Number(text)) ? null : Number(text)
}

function toObject(text: string | null): Readonly<Record<string, unknown>> {
  const value = parse(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

// A text without its space is none that a script could read.
function toLimit(text: string | null): string | undefined {
  return text !== null && / ./.test(text) ? text : undefined
}

// Lines of JSON, as keep-attempt.lua of the ledger adds them; a stranger's line is left out.
function toAttempts(text: string | null): FailedAttempt[] {
  return (text ?? '').split('\n').flatMap((line) => {
    const value = line === '' ? null : parse(line)
    return typeof value === 'object' && value !== null && 'attempt' in value ? (value as FailedAttempt) : []
  })
}

// Other programs on BullMQ may have written anything.
function parse(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}
