// Permits whose job is gone, taken back a part at a time by the workers of the queue.
import { readFileSync } from 'node:fs'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { fillTemplate } from '../fill-template.js'
import { limitFunctionsLua } from './limit-functions.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const repairLua = fillTemplate(read('./repair-limits.lua'), { LIMITS: limitFunctionsLua })

/** How many permits and jobs in line one script looks at, and how many scripts one look has at most. */
const AT_ONCE = 200
const MAX_CALLS = 50

/** Looks at all permits of the queue, up to 10,000 of them. Resolves with how many were taken back. */
export async function repairLimits(client: RedisClient, keys: KeysOfQueue): Promise<number> {
  let [held, parked] = ['0', '0']
  let freed = 0
  for (let calls = 0; calls < MAX_CALLS; calls++) {
    const args = [keys.limit('held'), keys.base, keys.bullBase, held, parked, String(AT_ONCE)]
    const reply = (await client.eval(repairLua, 1, ...args)) as [string, string, number]
    ;[held, parked] = reply
    freed += reply[2]
    if (held === '0' && parked === '0') break
  }
  return freed
}
