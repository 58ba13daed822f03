// Which accepted jobs a killed Redis may have taken with it, by Redis's own rules, and which it may not.
//
// With `appendfsync always` none: it writes and syncs before it answers. With `no` none: it writes before it answers, and
// what is written outlives the process. With `everysec` it does so too, but for one case: while a sync of the second before
// is still going on, it puts off the write itself and answers meanwhile, for less than two seconds. aof.c of Redis 7.0 in
// flushAppendOnlyFile: "If the fsync is still in progress we can try to delay the write for a couple of seconds", and
// `server.unixtime - server.aof_flush_postponed_start < 2` is "still ok. Postpone again"; from 7.4 on the same in
// milliseconds. redis.conf says of it "fsync only one time every second", and its manual "you may lose 1 second of data".
import type { Noted, RedisDownLine } from './ledger-file.js'

/** How long Redis puts off a write at most. Counted back from a question that it answered: it looks at each turn of its loop. */
export const POSTPONED_MS = 2_000

/**
 * How long after Redis is gone a producer may still note an answer of it. A Redis that has just been started answers
 * later, so that what is sent to it again and lost is not taken for what the killed one had not written.
 */
export const NOTED_LATE_MS = 50

/** When Redis stored an accepted job: after its last send and before its ack. */
interface Accepted {
  readonly sentMs: number
  readonly ackedMs: number
}

/**
 * Those of the `lost` jobs that a kill of Redis explains: stored in a time that it may not have written yet, and nothing
 * that it stored later outlived it, as a file loses its end and no middle.
 */
export function findLostTails(
  lines: readonly Noted[],
  lost: readonly string[],
  isThere: (id: string) => boolean,
): string[] {
  const downs = lines.filter((line) => line.e === 'redis-down' && line.appendfsync === 'everysec')
  if (lost.length === 0 || downs.length === 0) return []
  const accepted = readAccepted(lines)
  const explained = new Set<string>()
  for (const down of downs as RedisDownLine[]) {
    const lastKept = lastKeptBefore(down.goneMs, accepted, isThere)
    for (const id of lost) {
      const job = accepted.get(id)
      if (job && mayBeUnwritten(job, down) && job.ackedMs > lastKept) explained.add(id)
    }
  }
  return lost.filter((id) => explained.has(id))
}

// A sync that begins is always behind a write: where none was under way, all was written when Redis answered.
const mayBeUnwritten = ({ sentMs, ackedMs }: Accepted, { askedMs, goneMs, pendingFsyncs }: RedisDownLine): boolean =>
  sentMs < goneMs &&
  ackedMs < goneMs + NOTED_LATE_MS &&
  ackedMs > (pendingFsyncs > 0 ? askedMs - POSTPONED_MS : askedMs)

/** The latest send of a job that was accepted before this time and is there: all that was accepted before was written. */
function lastKeptBefore(ms: number, accepted: ReadonlyMap<string, Accepted>, isThere: (id: string) => boolean): number {
  let last = Number.NEGATIVE_INFINITY
  for (const [id, { sentMs, ackedMs }] of accepted) if (ackedMs < ms && sentMs > last && isThere(id)) last = sentMs
  return last
}

function readAccepted(lines: readonly Noted[]): Map<string, Accepted> {
  const sentAt = new Map<string, number>()
  const accepted = new Map<string, Accepted>()
  for (const line of lines) {
    if (line.e === 'try' || line.e === 'unknown' || line.e === 'refused') sentAt.set(line.id, line.at)
    else if (line.e === 'ack') accepted.set(line.id, { sentMs: sentAt.get(line.id) ?? line.at, ackedMs: line.at })
  }
  return accepted
}
