// The writes a handler stages: typed calls that are checked as they are made and only collected. commit.lua applies
// them with the job's completion, after check-effects.lua has played them against the keys as they then are.
import { describeValue, EffectLimitError, EffectRejectedError, isReservedName } from '../job/index.js'
import type { KeysOfQueue } from '../redis/index.js'

/** One staged write as Redis takes it: command, key, further words. */
export type StagedWrite = readonly (string | number | Buffer)[]

/**
 * Most writes one job may stage, and the most characters and words all of them may have: what one script call should
 * carry, as Redis does nothing else meanwhile. Each word costs time of its own, however short it is.
 */
export const MAX_EFFECTS = 1_000
export const MAX_EFFECT_CHARACTERS = 1_048_576
export const MAX_EFFECT_WORDS = 20_000
/** Most words of one write, below what Lua's `unpack` can put on its stack. */
const MAX_WORDS = 1_000

type Text = string | number

/**
 * Redis writes that commit with the job's completion, exactly once, or not at all. Each call checks its arguments and
 * throws EffectRejectedError; a job whose handler swallowed that error is not committed either. Keys are the user's
 * own: on a cluster they must carry the queue's tag, and the names Drover and BullMQ use under that tag are refused.
 */
export class Effects {
  readonly #keys: KeysOfQueue
  readonly #cluster: boolean
  readonly #writes: StagedWrite[] = []
  #characters = 0
  #words = 0
  #closed = false
  #rejection: Error | undefined

  constructor(keys: KeysOfQueue, options: { cluster: boolean }) {
    this.#keys = keys
    this.#cluster = options.cluster
  }

  /** SET; `ttlMs` lets the key expire that many milliseconds after the commit. */
  set(key: string, value: Text, options: { ttlMs?: number } = {}): void {
    const { ttlMs } = this.#plain('SET', key, options, 'its options')
    for (const name of Object.keys(options)) if (name !== 'ttlMs') this.#reject('SET', key, `it has no option ${name}`)
    if (ttlMs === undefined) this.#stage('SET', key, [value])
    else this.#stage('SET', key, [value, 'PX', this.#whole('SET', key, ttlMs, 1)])
  }
  /** SETNX: writes only when the key does not exist. */
  setnx(key: string, value: Text): void {
    this.#stage('SETNX', key, [value])
  }
  append(key: string, value: Text): void {
    this.#stage('APPEND', key, [value])
  }
  incrby(key: string, delta: number): void {
    this.#stage('INCRBY', key, [this.#whole('INCRBY', key, delta)])
  }
  incrbyfloat(key: string, delta: number): void {
    this.#stage('INCRBYFLOAT', key, [this.#finite('INCRBYFLOAT', key, delta)])
  }
  del(key: string): void {
    this.#stage('DEL', key, [])
  }
  /** EXPIRE in whole seconds, at least 1. */
  expire(key: string, seconds: number): void {
    this.#stage('EXPIRE', key, [this.#whole('EXPIRE', key, seconds, 1)])
  }
  persist(key: string): void {
    this.#stage('PERSIST', key, [])
  }
  lpush(key: string, ...values: Text[]): void {
    this.#stage('LPUSH', key, this.#atLeastOne('LPUSH', key, values))
  }
  rpush(key: string, ...values: Text[]): void {
    this.#stage('RPUSH', key, this.#atLeastOne('RPUSH', key, values))
  }
  ltrim(key: string, start: number, stop: number): void {
    this.#stage('LTRIM', key, [this.#whole('LTRIM', key, start), this.#whole('LTRIM', key, stop)])
  }
  lrem(key: string, count: number, value: Text): void {
    this.#stage('LREM', key, [this.#whole('LREM', key, count), value])
  }
  sadd(key: string, ...members: Text[]): void {
    this.#stage('SADD', key, this.#atLeastOne('SADD', key, members))
  }
  srem(key: string, ...members: Text[]): void {
    this.#stage('SREM', key, this.#atLeastOne('SREM', key, members))
  }
  zadd(key: string, score: number, member: Text): void {
    this.#stage('ZADD', key, [this.#finite('ZADD', key, score), member])
  }
  zincrby(key: string, delta: number, member: Text): void {
    this.#stage('ZINCRBY', key, [this.#finite('ZINCRBY', key, delta), member])
  }
  zrem(key: string, ...members: Text[]): void {
    this.#stage('ZREM', key, this.#atLeastOne('ZREM', key, members))
  }
  zremrangebyrank(key: string, start: number, stop: number): void {
    const command = 'ZREMRANGEBYRANK'
    this.#stage(command, key, [this.#whole(command, key, start), this.#whole(command, key, stop)])
  }
  zremrangebyscore(key: string, min: number, max: number): void {
    const command = 'ZREMRANGEBYSCORE'
    this.#stage(command, key, [this.#finite(command, key, min), this.#finite(command, key, max)])
  }
  /** HSET of one field, or of every field of an object. */
  hset(key: string, field: Text | Readonly<Record<string, Text>>, value?: Text): void {
    const fields = typeof field === 'object' ? this.#plain('HSET', key, field, 'its fields') : undefined
    if (fields) this.#stage('HSET', key, this.#atLeastOne('HSET', key, Object.entries(fields).flat()))
    else this.#stage('HSET', key, [field as Text, value as Text])
  }
  hsetnx(key: string, field: Text, value: Text): void {
    this.#stage('HSETNX', key, [field, value])
  }
  hdel(key: string, ...fields: Text[]): void {
    this.#stage('HDEL', key, this.#atLeastOne('HDEL', key, fields))
  }
  hincrby(key: string, field: Text, delta: number): void {
    this.#stage('HINCRBY', key, [field, this.#whole('HINCRBY', key, delta)])
  }
  hincrbyfloat(key: string, field: Text, delta: number): void {
    this.#stage('HINCRBYFLOAT', key, [field, this.#finite('HINCRBYFLOAT', key, delta)])
  }

  /** What was staged, for the commit; nothing can be staged after it. @throws the first rejection, if there was one. */
  close(): readonly StagedWrite[] {
    this.seal()
    if (this.#rejection) throw this.#rejection
    return this.#writes
  }

  /** Ends the staging: every further write is rejected. */
  seal(): void {
    this.#closed = true
  }

  #stage(command: string, key: string, words: readonly Text[]): void {
    if (this.#closed) this.#reject(command, key, 'the attempt has ended; stage writes before the handler returns')
    this.#checkKey(command, key)
    if (words.length + 2 > MAX_WORDS)
      this.#reject(command, key, `${words.length} words in one write; at most ${MAX_WORDS - 2}`)
    // Text from here on: what was counted is what is sent, as JavaScript writes the number.
    const texts = words.map((word) => this.#text(command, key, word))
    this.#characters += texts.reduce((sum, text) => sum + text.length, key.length)
    this.#words += texts.length + 2
    this.#writes.push([command, key, ...texts])
    if (this.#writes.length > MAX_EFFECTS) this.#exceed('writes', this.#writes.length, MAX_EFFECTS)
    if (this.#words > MAX_EFFECT_WORDS) this.#exceed('words', this.#words, MAX_EFFECT_WORDS)
    if (this.#characters > MAX_EFFECT_CHARACTERS) this.#exceed('characters', this.#characters, MAX_EFFECT_CHARACTERS)
  }

  #checkKey(command: string, key: string): void {
    if (typeof key !== 'string' || key === '') {
      this.#reject(command, describeValue(key), 'the key must be a string that is not empty')
    }
    const { base, bullBase } = this.#keys
    const isOwn = key.startsWith(base) && isReservedName(key.slice(base.length).split(':', 1)[0] ?? '')
    if (isOwn || key.startsWith(bullBase)) {
      this.#reject(
        command,
        key,
        'the key belongs to Drover or BullMQ; use ctx.counter for counters, another name otherwise',
      )
    }
    // Redis takes the first braces of a key for its tag, so one that only stands further behind is none.
    const { tag } = this.#keys
    if (this.#cluster && (!key.includes(tag) || key.indexOf('{') !== key.indexOf(tag))) {
      this.#reject(command, key, `on a cluster the key must carry the queue's tag ${tag}, and no brace before it`)
    }
  }

  #plain<Value extends object>(command: string, key: string, value: Value, what: string): Value {
    const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isPlain ? value : this.#reject(command, key, `${what} must be an object, not ${describeValue(value)}`)
  }
  #text(command: string, key: string, word: unknown): string {
    if (typeof word === 'string') return word
    if (typeof word === 'number' && Number.isFinite(word)) return String(word)
    const got = word === null ? 'null' : typeof word === 'number' ? String(word) : typeof word
    return this.#reject(command, key, `a value is ${got}; use strings and finite numbers`)
  }
  #whole(command: string, key: string, value: number, minimum = Number.MIN_SAFE_INTEGER): number {
    if (!Number.isSafeInteger(value) || value < minimum) this.#reject(command, key, 'a whole number in range is needed')
    return value === 0 ? 0 : value
  }
  #finite(command: string, key: string, value: number): number {
    if (typeof value !== 'number' || !Number.isFinite(value)) this.#reject(command, key, 'a finite number is needed')
    return value
  }
  #atLeastOne(command: string, key: string, values: Text[]): Text[] {
    if (values.length === 0) this.#reject(command, key, 'at least one value is needed')
    return values
  }
  #exceed(what: string, count: number, limit: number): never {
    const rejection = new EffectLimitError(what, count, limit)
    this.#rejection ??= rejection
    throw rejection
  }
  #reject(command: string, key: string, reason: string): never {
    const rejection = new EffectRejectedError(command, key, reason)
    this.#rejection ??= rejection
    throw rejection
  }
}
