// What every row of bad input is held to: an error of ours with its code, in words that repeat nothing secret and nothing
// of Redis; the same jobs in the same states and the same number of keys as before; and the next good call works.
import { Redis } from 'ioredis'
import { expect } from 'vitest'
import { isDroverError } from '../../src/job/index.js'

/** Stands in inputs wherever a row has room for it; no message may repeat it. */
export const CANARY = 'c4nary-input'

// What Redis, Lua, a parser or a library says in its own words.
const FOREIGN_WORDS =
  /WRONGTYPE|user_script|@user|ReplyError|ERR |EVALSHA|Unexpected token|in JSON at|Maximum call stack|node_modules/

export interface StoreState {
  readonly keys: number
  readonly states: Readonly<Record<string, number>>
}

const LISTS = ['wait', 'active', 'paused'] as const
const SETS = ['delayed', 'prioritized', 'completed', 'failed', 'waiting-children'] as const

/** How many keys there are, and how many jobs of the queue in each state. */
export async function readStore(client: Redis, queue: string): Promise<StoreState> {
  const base = `{drover:${queue}}:${queue}:`
  const lists = await Promise.all(LISTS.map((name) => client.llen(base + name)))
  const sets = await Promise.all(SETS.map((name) => client.zcard(base + name)))
  const counts = [...lists, ...sets]
  return {
    // What is refused may stand in the list of changes that people tried.
    keys: (await client.dbsize()) - (await client.exists('drover:audit')),
    states: Object.fromEntries([...LISTS, ...SETS].map((name, at) => [name, counts[at] ?? 0])),
  }
}

export async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  return undefined
}

/** The error is one of ours with this code, and every word of it may be shown to anyone. */
export function expectTyped(error: unknown, code: string): void {
  expect(isDroverError(error), String(error)).toBe(true)
  expect((error as { code: string }).code).toBe(code)
  const { message } = error as Error
  expect(message.length).toBeLessThan(2_000)
  expectClean(message)
}

export function expectClean(text: string): void {
  expect(text).not.toContain(CANARY)
  expect(text).not.toMatch(FOREIGN_WORDS)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/)
}

export { Redis }
