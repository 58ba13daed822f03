// Permits whose job is gone, taken back a part at a time by the workers of the queue, and counts of permits, corrected.
import { readFileSync } from 'node:fs'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'
import { fillTemplate } from '../fill-template.js'
import { MAX_AUDITED_PERMITS } from './audit-limits.js'
import { limitFunctionsLua } from './limit-functions.js'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const repairLua = fillTemplate(read('./repair-limits.lua'), { LIMITS: limitFunctionsLua })

/** How many permits and jobs in line one script looks at, and in how many scripts one look does so at most. */
const AT_ONCE = 200
const MAX_CALLS = 50
const MAX_CALLS_IN_LINE = 5

/**
 * Looks at the permits of the queue, up to 10,000 of them, and at 1,000 jobs in line, unless another worker did so within
 * `everyMs`. Resolves with how many permits were taken back. Where a queue has up to 2,000 permits, and no more active jobs, a
 * key that counts another number of them than its jobs have is corrected.
 */
export async function repairLimits(client: RedisClient, keys: KeysOfQueue, everyMs = 0): Promise<number> {
  let [held, parked] = ['0', '']
  let freed = 0
  for (let calls = 0; calls < MAX_CALLS; calls++) {
    const looksInLine = parked !== '0' && calls < MAX_CALLS_IN_LINE
    const bounds = [String(AT_ONCE), String(MAX_AUDITED_PERMITS)]
    const last = [held, looksInLine ? '1' : '', ...bounds, calls === 0 ? String(everyMs) : '']
    const args = [keys.limit('held'), keys.base, keys.bullBase, ...last]
    const reply = (await client.eval(repairLua, 1, ...args)) as [string, string, number]
    ;[held, parked] = reply
    freed += reply[2]
    if (held === '0' && (parked === '0' || calls + 1 >= MAX_CALLS_IN_LINE)) break
  }
  return freed
}
