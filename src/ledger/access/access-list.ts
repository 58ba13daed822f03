// The tokens of the HTTP API and the dashboard: made, listed and revoked in Redis, and looked up from a copy in this process. A token is
// `drover_<id>_<secret>`; Redis has the SHA-256 of the whole text, the text itself is shown once and kept nowhere.
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { InvalidOptionError, isJobName, isQueueName, JOB_NAME_RULE, QUEUE_NAME_RULE } from '../../job/index.js'
import { type RedisClient, tokensKey } from '../../redis/index.js'
import { type Access, isScope, SCOPES, type Scope } from './scopes.js'

/** What is kept of a token, and shown of it in lists. */
export interface TokenRecord extends Access {
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

export interface NewToken {
  /** Who or what uses it: 1 to 64 characters of A-Z a-z 0-9 _ . -. Two tokens may have one name, as at a rotation. */
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly jobs?: readonly string[] | undefined
  readonly queues?: readonly string[] | undefined
  /** Milliseconds since 1970; undefined: it never expires. */
  readonly expiresAt?: number | undefined
}

/** The form a token has in Redis; `digest` is hexadecimal. */
interface StoredToken extends TokenRecord {
  readonly v: 1
  readonly digest: string
}

const TOKEN = /^drover_([0-9a-f]{12})_[\w-]{43}$/
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/
const NAME_RULE = '1 to 64 characters of A-Z a-z 0-9 _ . -, the first a letter or digit'
const SECRET_BYTES = 32
const OPERATION = 'the look-up of a token'
/** How old the copy may be that a token is looked up in: a revoked token works no longer than this. */
export const MAX_COPY_AGE_MS = 2_000
/** Tokens of unknown ids that one process asks Redis for in a second; those beyond wait for the next copy. */
export const MAX_LOOK_UPS = 100

/** Makes a token. `token` is the only time that its text is seen. @throws InvalidOptionError */
export async function createToken(
  client: RedisClient,
  prefix: string,
  given: NewToken,
): Promise<{ readonly token: string; readonly record: TokenRecord }> {
  checkNewToken(given)
  const id = randomBytes(6).toString('hex')
  const token = `drover_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`
  const { name, scopes, jobs, queues, expiresAt } = given
  const record: TokenRecord = { id, name, scopes, jobs, queues, expiresAt, createdAt: Date.now() }
  const stored: StoredToken = { v: 1, ...record, digest: digestOf(token).toString('hex') }
  await client.hset(tokensKey(prefix), id, JSON.stringify(stored))
  return { token, record }
}

/** All tokens, the oldest first, also those that have expired. */
export async function listTokens(client: RedisClient, prefix: string): Promise<TokenRecord[]> {
  const stored = await readStored(client, prefix)
  return stored.map(({ v: _v, digest: _digest, ...record }) => record)
}

/** Takes a token's rights away, and tells whether there was one. Servers notice within `MAX_COPY_AGE_MS`. */
export async function revokeToken(client: RedisClient, prefix: string, id: string): Promise<boolean> {
  return (await client.hdel(tokensKey(prefix), id)) === 1
}

/** Looks tokens up in a copy of the list that is at most `MAX_COPY_AGE_MS` old. */
export class AccessList {
  readonly #readAll: () => Promise<readonly StoredToken[]>
  readonly #readOne: (id: string) => Promise<StoredToken | undefined>
  readonly #adminDigest: Buffer | undefined
  #copy = new Map<string, StoredToken>()
  #copiedMs = Number.NEGATIVE_INFINITY
  #copying: Promise<void> | undefined
  #lookUps = 0
  #lookUpsSinceMs = Number.NEGATIVE_INFINITY

  /** `run` calls Redis as a producer does: it waits for a connection, and rejects in time. */
  constructor(
    run: <Value>(operation: string, command: () => Promise<Value>) => Promise<Value>,
    { client, prefix, adminToken }: { client: RedisClient; prefix: string; adminToken: string | undefined },
  ) {
    this.#readAll = () => run(OPERATION, () => readStored(client, prefix))
    this.#readOne = async (id) => {
      const text = await run(OPERATION, () => client.hget(tokensKey(prefix), id))
      return text === null ? undefined : parseStored(id, text)
    }
    this.#adminDigest = adminToken === undefined ? undefined : digestOf(adminToken)
  }

  /**
   * Who holds this token by the copy, at once; undefined where only `find` can say, as the copy is too old or does not
   * know the token.
   */
  findInCopy(token: string): Access | undefined {
    if (!this.#isFresh) return undefined
    const stored = this.#copy.get(TOKEN.exec(token)?.[1] ?? '')
    return stored === undefined ? undefined : holderOf(stored, token)
  }

  /**
   * Who holds this token, undefined when nobody does, or no longer. With `onlyCopy`, one that was made within
   * `MAX_COPY_AGE_MS` may be unknown still: for who sent many wrong ones, so that guesses cost Redis nothing.
   * @throws RedisUnavailableError and its fellows
   */
  async find(token: string, onlyCopy = false): Promise<Access | undefined> {
    const id = TOKEN.exec(token)?.[1]
    if (id === undefined) return undefined
    await this.#freshen()
    // One that is not in the copy may have been made since.
    const stored = this.#copy.get(id) ?? (onlyCopy || !this.#mayLookUp() ? undefined : await this.#readOne(id))
    return stored === undefined ? undefined : holderOf(stored, token)
  }

  /** Who holds the token of this id, for a session that began with it; while Redis is away, as the last copy says. */
  async findId(id: string): Promise<Access | undefined> {
    let stored: StoredToken | undefined
    try {
      await this.#freshen()
      stored = this.#copy.get(id) ?? (await this.#readOne(id))
    } catch {
      // Pages that stay up while Redis is down must not ask for a sign-in that cannot work then.
      stored = this.#copy.get(id)
    }
    return stored === undefined || isOver(stored) ? undefined : stored
  }

  /** Whether a token is the one of the settings, which may be short: count wrong ones before asking. */
  isAdmin(token: string): boolean {
    return this.#adminDigest !== undefined && isEqual(digestOf(token), this.#adminDigest)
  }

  #mayLookUp(): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#lookUpsSinceMs >= 1_000) {
      this.#lookUps = 0
      this.#lookUpsSinceMs = nowMs
    }
    return ++this.#lookUps <= MAX_LOOK_UPS
  }

  get #isFresh(): boolean {
    return performance.now() - this.#copiedMs <= MAX_COPY_AGE_MS
  }

  #freshen(): Promise<void> | undefined {
    if (this.#isFresh) return undefined
    this.#copying ??= this.#takeCopy().finally(() => {
      this.#copying = undefined
    })
    return this.#copying
  }

  async #takeCopy(): Promise<void> {
    // The copy is as old as the question, not as the answer.
    const askedMs = performance.now()
    const stored = await this.#readAll()
    this.#copy = new Map(stored.map((token) => [token.id, token]))
    this.#copiedMs = askedMs
  }
}

async function readStored(client: RedisClient, prefix: string): Promise<StoredToken[]> {
  const texts = await client.hgetall(tokensKey(prefix))
  const found = Object.entries(texts).flatMap(([id, text]) => parseStored(id, text) ?? [])
  return found.sort((one, other) => one.createdAt - other.createdAt)
}

// Whatever is not exactly a token of ours gives no rights.
function parseStored(id: string, text: string): StoredToken | undefined {
  let record: Partial<StoredToken>
  try {
    record = JSON.parse(text) as Partial<StoredToken>
  } catch {
    // Another program wrote the field: it is no token.
    return undefined
  }
  if (typeof record !== 'object' || record === null) return undefined
  const { v, name, digest, scopes, jobs, queues, createdAt, expiresAt } = record
  const isWhole = v === 1 && record.id === id && typeof name === 'string' && typeof createdAt === 'number'
  if (!isWhole || typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) return undefined
  if (!Array.isArray(scopes) || !scopes.every(isScope)) return undefined
  if (!isNamesOrNone(jobs) || !isNamesOrNone(queues)) return undefined
  if (expiresAt !== undefined && typeof expiresAt !== 'number') return undefined
  return { v: 1, id, name, digest, scopes, jobs, queues, createdAt, expiresAt }
}

function isNamesOrNone(value: unknown): value is readonly string[] | undefined {
  return value === undefined || (Array.isArray(value) && value.every((name) => typeof name === 'string'))
}

function checkNewToken({ name, scopes, jobs = [], queues = [], expiresAt }: NewToken): void {
  if (!NAME.test(name)) throw new InvalidOptionError('name', NAME_RULE, name)
  if (scopes.length === 0) throw new InvalidOptionError('scopes', `one or more of ${SCOPES.join(', ')}`, 'none')
  for (const scope of scopes) {
    if (!isScope(scope)) throw new InvalidOptionError('scopes', `one or more of ${SCOPES.join(', ')}`, scope)
  }
  for (const job of jobs) if (!isJobName(job)) throw new InvalidOptionError('jobs', JOB_NAME_RULE, job)
  for (const queue of queues) if (!isQueueName(queue)) throw new InvalidOptionError('queues', QUEUE_NAME_RULE, queue)
  if (expiresAt !== undefined && !(expiresAt > Date.now())) {
    throw new InvalidOptionError('expiresAt', 'a time in the future', expiresAt)
  }
}

function holderOf(stored: StoredToken, token: string): Access | undefined {
  return isEqual(digestOf(token), Buffer.from(stored.digest, 'hex')) && !isOver(stored) ? stored : undefined
}

function isOver({ expiresAt }: StoredToken): boolean {
  return expiresAt !== undefined && expiresAt <= Date.now()
}

function digestOf(token: string): Buffer {
  return hash('sha256', token, 'buffer')
}

function isEqual(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}
