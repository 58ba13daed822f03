// Encrypts inputs and results at rest with AES-256-GCM: middleware for producer and worker, and what opens a stored value.
// Every value names the key it was sealed with, so that keys can change while jobs wait.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { EnqueueMiddleware } from 'drover'
import type { RunMiddleware } from 'drover/worker'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
// 96 bits, drawn anew for each value: NIST SP 800-38D, 8.2.2, allows 2^32 values under one key.
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MARK = 'sealed.v1'

export interface KeyRing {
  /** Id of the key that new values are sealed with. */
  readonly current: string
  /** Keys of 32 bytes by id. Older ones stay until no job and no result of their time is left. */
  readonly keys: Readonly<Record<string, Uint8Array>>
}

export interface Encryption {
  /** For `createProducer({ middleware })`. */
  readonly onEnqueue: EnqueueMiddleware
  /** For `createWorker({ middleware })`. */
  readonly onRun: RunMiddleware
  /** For `defineMiddleware({ openInput })`: `drover check` and the schedules of job files read stored inputs by it. */
  openInput(contract: { readonly queue: string; readonly name: string }, stored: unknown): unknown
  /** The `value` of a result as the handler returned it; one that was never sealed comes back as it is. */
  openResult(queue: string, job: string, value: unknown): unknown
}

/** @throws Error for a ring without its current key, or with a key that is not of 32 bytes */
export function createEncryption({ current, keys }: KeyRing): Encryption {
  for (const [id, key] of Object.entries(keys)) {
    if (!/^[\w-]+$/.test(id)) throw new Error(`key id ${JSON.stringify(id)}: expected letters, digits, _ and -`)
    if (key.length !== KEY_BYTES) throw new Error(`key ${id}: expected ${KEY_BYTES} bytes, got ${key.length}`)
  }
  const keyOf = (id: string) => {
    const key = Object.hasOwn(keys, id) ? keys[id] : undefined
    if (key === undefined) throw new Error(`no key ${JSON.stringify(id)}: it is not in the key ring`)
    return key
  }
  keyOf(current)

  // The place is authenticated, so that a value moved to another job, or from a result to an input, does not open.
  const seal = (place: string, text: string): string => {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, keyOf(current), nonce).setAAD(Buffer.from(`${current} ${place}`))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return JSON.stringify(`${MARK}.${current}.${sealed.toString('base64url')}`)
  }
  const open = (place: string, stored: unknown): unknown => {
    if (typeof stored !== 'string' || !stored.startsWith(`${MARK}.`)) return stored
    const [id = '', words = ''] = stored.slice(MARK.length + 1).split('.')
    const bytes = Buffer.from(words, 'base64url')
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('the sealed value is cut short')
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv(ALGORITHM, keyOf(id), nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(`${id} ${place}`)).setAuthTag(bytes.subarray(-TAG_BYTES))
    const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    return JSON.parse(text.toString('utf8'))
  }

  return {
    onEnqueue: (call, next) => {
      call.inputText = seal(`input ${call.contract.queue} ${call.contract.name}`, call.inputText)
      return next()
    },
    onRun: async (call, next) => {
      const place = `${call.contract.queue} ${call.contract.name}`
      call.input = open(`input ${place}`, call.input)
      await next()
      if (call.resultText !== undefined) call.resultText = seal(`result ${place}`, call.resultText)
    },
    openInput: ({ queue, name }, stored) => open(`input ${queue} ${name}`, stored),
    openResult: (queue, job, value) => open(`result ${queue} ${job}`, value),
  }
}
