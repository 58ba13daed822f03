// Losses that a kill of Redis does not explain, though it was killed: bugs that would hide behind what `everysec` may lose.
import { until } from '../../support/until.js'
import { ledgerNow } from '../ledger-file.js'
import { NOTED_LATE_MS, POSTPONED_MS } from '../lost-tail.js'
import { FAULT, NUMBERS, type Planted, type PlantedRoom } from './room.js'

const [FIRST = 1, ...OTHERS] = NUMBERS

/** Redis is killed while it syncs, as far as the ledger knows: by default now. */
export function noteKill(
  room: PlantedRoom,
  more: { askedMs?: number; goneMs?: number; appendfsync?: string; pendingFsyncs?: number } = {},
) {
  const { askedMs = ledgerNow(), goneMs = askedMs, appendfsync = 'everysec', pendingFsyncs = 1 } = more
  const file = { appendfsync, pendingFsyncs, bufferBytes: 100, delayedFsyncs: 0 }
  room.note(FAULT, { e: 'redis-down', askedMs, goneMs, ...file })
}

/** A job that is accepted, and nowhere. */
export const loseFirst = (room: PlantedRoom): void =>
  room.note({ e: 'try', id: `j-${FIRST}` }, { e: 'ack', id: `j-${FIRST}` })

// No worker runs them: what is lost is lost before.
const lose = (name: string, run: Planted['run']): Planted => ({ name, kind: 'lost', run })

export const IN_KILLS: readonly Planted[] = [
  lose('a job is gone that Redis had longer than it puts off a write', async (room) => {
    await room.enqueue(OTHERS)
    loseFirst(room)
    noteKill(room, { askedMs: ledgerNow() + POSTPONED_MS + 1 })
  }),
  lose('a job is gone of a Redis that writes before it answers', async (room) => {
    await room.enqueue(OTHERS)
    loseFirst(room)
    noteKill(room, { appendfsync: 'always' })
  }),
  lose('a job is gone of a Redis that had no sync to wait for', async (room) => {
    await room.enqueue(OTHERS)
    loseFirst(room)
    noteKill(room, { pendingFsyncs: 0 })
  }),
  lose('a job is gone, and one that was accepted later is there', async (room) => {
    loseFirst(room)
    await room.enqueue(OTHERS)
    noteKill(room)
  }),
  lose('a job is gone that was sent after the kill', async (room) => {
    await room.enqueue(OTHERS)
    noteKill(room)
    loseFirst(room)
  }),
  lose('a job is gone that was sent before the kill, and accepted by the Redis that came after it', async (room) => {
    await room.enqueue(OTHERS)
    const id = `j-${FIRST}`
    room.note({ e: 'try', id })
    const goneMs = ledgerNow()
    noteKill(room, { goneMs })
    await until('an answer of the killed one would be noted', () => ledgerNow() > goneMs + NOTED_LATE_MS)
    room.note({ e: 'ack', id })
  }),
  lose('a job is gone, and one that was accepted between the last question and the kill is there', async (room) => {
    const askedMs = ledgerNow()
    loseFirst(room)
    await room.enqueue(OTHERS)
    noteKill(room, { askedMs, goneMs: ledgerNow() })
  }),
]
