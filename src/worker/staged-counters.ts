// What an attempt adds to user counters: summed by name and only collected, until the commit adds it.
import { EffectLimitError, InvalidOptionError } from '../job/index.js'

const MAX_COUNTERS = 1_000

/** The sums with this one in it. @throws InvalidOptionError, EffectLimitError */
export function addToCounters(counters: Map<string, number>, name: string, delta: number): Map<string, number> {
  if (!Number.isSafeInteger(delta)) throw new InvalidOptionError(`counter ${name}`, 'a whole number', delta)
  const sum = (counters.get(name) ?? 0) + delta
  if (!Number.isSafeInteger(sum)) throw new InvalidOptionError(`counter ${name}`, 'a sum within 2^53', sum)
  counters.set(name, sum)
  if (counters.size > MAX_COUNTERS) throw new EffectLimitError('counters', counters.size, MAX_COUNTERS)
  return counters
}
