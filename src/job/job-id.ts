// Ids for jobs that were given none. The id is fixed before the job is first sent, so that sending it again after a lost
// reply cannot enqueue it twice.
import { randomFillSync } from 'node:crypto'

/** Digits and letters without i, l, o and u: 32, so that 5 random bits choose one. */
const ALPHABET = Buffer.from('0123456789abcdefghjkmnpqrstvwxyz', 'latin1')
const FIRST_LETTER = 10
const LENGTH = 20
const IDS_IN_POOL = 256

const pool = Buffer.allocUnsafe(LENGTH * IDS_IN_POOL)
let used = pool.length

/**
 * 20 characters with 99 random bits: two of a million million ids are alike with a chance below 1 in a million. The
 * first is a letter, because BullMQ refuses ids that read as a number.
 */
export function newJobId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const start = used
  used += LENGTH
  pool[start] = ALPHABET[FIRST_LETTER + ((pool[start] as number) & 15)] as number
  for (let at = start + 1; at < used; at++) pool[at] = ALPHABET[(pool[at] as number) & 31] as number
  return pool.toString('latin1', start, used)
}
