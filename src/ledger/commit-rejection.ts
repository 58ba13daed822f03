// What commit.lua's refusals mean: they name a counter or a staged write by its place, which is looked up here.
import { EffectRejectedError } from '../job/index.js'
import type { KeysOfQueue } from '../redis/index.js'
import type { Outcome } from './commit.js'

/** The typed error behind a refusal of commit.lua, or undefined when it is another kind of error. */
export function rejectionOf(error: unknown, outcome: Outcome, keys: KeysOfQueue): EffectRejectedError | undefined {
  const match = /DROVER_(COUNTER|EFFECT) (\d+) (.*)/.exec(error instanceof Error ? error.message : '')
  if (!match || outcome.status !== 'completed') return undefined
  const index = Number(match[2]) - 1
  const reason = match[3] ?? ''
  if (match[1] === 'COUNTER') {
    const name = [...(outcome.counters?.keys() ?? [])][index] ?? ''
    return new EffectRejectedError('INCRBY', keys.counter(name), reason, { cause: error })
  }
  const effects = outcome.effects ?? []
  const job = outcome.jobs?.[index - effects.length]
  if (job) return new EffectRejectedError('ENQUEUE', job.queue, reason, { cause: error })
  const [command = '', key = ''] = effects[index] ?? []
  return new EffectRejectedError(String(command), String(key), reason, { cause: error })
}
