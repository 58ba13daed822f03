// What a run keeps in Redis while it runs, each call fenced by the lock of its job: fields of the job's own hash, which go
// where the job goes, and the keys of `ctx.once`. What is kept and when is steps.ts.
import { readFileSync } from 'node:fs'
import { LockLostError } from '../../job/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'

/** Beyond the longest timeout of a job, so that no run that goes on loses its key. */
const MAX_CLAIM_MS = 31 * 86_400_000

/** What a run keeps, by field of its job's hash, as text. Every call rejects with LockLostError once the lock is gone. */
export interface KeptStore {
  read(): Promise<Map<string, string>>
  save(field: string, text: string): Promise<void>
  claim(key: string): Promise<Claim>
  /** `text` undefined frees the key. */
  settle(key: string, text: string | undefined, keepMs: number): Promise<void>
}

/** Whose a key is: kept already with this text, another run's, or now this run's. */
export type Claim =
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'busy' }
  | { readonly kind: 'yours' }

interface Scripts {
  droverReadKept(...args: string[]): Promise<string[] | null>
  droverSaveKept(...args: string[]): Promise<number>
  droverClaimOnce(...args: (string | number)[]): Promise<[kind: 'lost' | 'done' | 'busy' | 'yours', text?: string]>
  droverSettleOnce(...args: (string | number)[]): Promise<number>
}

const SCRIPTS = {
  droverReadKept: './read-kept.lua',
  droverSaveKept: './save-kept.lua',
  droverClaimOnce: './claim-once.lua',
  droverSettleOnce: './settle-once.lua',
}

/** Opens the store of one run after the other over a worker's client. */
export function createKeptStores(client: RedisClient, keys: KeysOfQueue): (id: string, token: string) => KeptStore {
  for (const [name, file] of Object.entries(SCRIPTS)) {
    client.defineCommand(name, { lua: readFileSync(new URL(file, import.meta.url), 'utf8'), numberOfKeys: 2 })
  }
  const scripts = client as unknown as Scripts
  return (id, token) => openStore(scripts, keys, id, token)
}

function openStore(scripts: Scripts, keys: KeysOfQueue, id: string, token: string): KeptStore {
  const jobKey = keys.bullBase + id
  const lockKey = `${jobKey}:lock`
  return {
    read: async () => {
      const words = await scripts.droverReadKept(jobKey, lockKey, token)
      if (words === null) throw new LockLostError(id)
      const kept = new Map<string, string>()
      for (let at = 0; at < words.length; at += 2) kept.set(words[at] ?? '', words[at + 1] ?? '')
      return kept
    },
    save: async (field, text) => {
      if ((await scripts.droverSaveKept(jobKey, lockKey, token, field, text)) === 0) throw new LockLostError(id)
    },
    claim: async (key) => {
      const words = [token, id, keys.bullBase, MAX_CLAIM_MS]
      const [kind, text = ''] = await scripts.droverClaimOnce(keys.once(key), lockKey, ...words)
      if (kind === 'lost') throw new LockLostError(id)
      return kind === 'done' ? { kind, text } : { kind }
    },
    settle: async (key, text, keepMs) => {
      const words = [token, id, text === undefined ? '' : keepMs, text ?? '']
      if ((await scripts.droverSettleOnce(keys.once(key), lockKey, ...words)) === 0) throw new LockLostError(id)
    },
  }
}
