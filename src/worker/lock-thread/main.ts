// The lock thread of one worker: renews the locks of its running attempts and looks which were cancelled, whatever its main
// thread does, and watches that thread. It runs no code of a user's, has a Redis connection of its own, and is started by
// ../lock-keeper.ts.
import { readFileSync, writeSync } from 'node:fs'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { serializeError } from '../../job/index.js'
import { createProducerClient } from '../../redis/index.js'
import { LockTable, monotonicMs, type TableEntry } from '../lock-table.js'
import { LoopWatch } from './loop-watch.js'
import type { FromLockThread, LockThreadData, ToLockThread } from './messages.js'
import { type ExtendLocks, Renewals, roundMs } from './renewals.js'

/**
 * How long a renewal may take before it counts as failed, which is tried again with the next round: a third of the time that
 * a lock holds, within these. The longest is that of a worker's other connections: what hangs on a dead one hears of no cancel.
 */
const MIN_TIMEOUT_MS = 1_000
const MAX_TIMEOUT_MS = 8_000
/** Most jobs named in one line about a blocked event loop. */
const MAX_NAMED = 10

run(parentPort as MessagePort, workerData as LockThreadData)

function run(port: MessagePort, data: LockThreadData): void {
  const { lockMs, queues, redis, maxBlockedMs } = data
  const say = (message: FromLockThread) => port.postMessage(message)
  const sayFailed = (error: unknown) => say({ kind: 'failed', error: serializeError(error) })
  const timeoutMs = Math.min(MAX_TIMEOUT_MS, Math.max(MIN_TIMEOUT_MS, lockMs / 3))
  const client = createProducerClient(redis, { timeoutMs, onError: sayFailed })
  const lua = readFileSync(new URL('./extend-locks.lua', import.meta.url), 'utf8')
  client.defineCommand('droverExtendLocks', { lua, numberOfKeys: 2 })
  const { droverExtendLocks } = client as unknown as { droverExtendLocks: ExtendLocks }
  client.once('ready', () => say({ kind: 'ready' }))

  const table = new LockTable(data.memory)
  // Those whose id does not fit the table, by slot.
  const extra = new Map<number, TableEntry>()
  const renewals = new Renewals(droverExtendLocks.bind(client), queues, lockMs, {
    onLost: (locks) => say({ kind: 'lost', locks }),
    onCancelled: (locks) => say({ kind: 'cancelled', locks }),
    onError: sayFailed,
  })
  const readAll = () => [...table.read(), ...extra.values()]
  // What failed while Redis was away is sent as soon as it is back: the next round may come too late.
  client.on('ready', () => renewals.round(readAll(), false))
  const watch = new LoopWatch(lockMs)
  port.on('message', (message: ToLockThread) => {
    if (message.kind === 'owner') renewals.setOwner(message.queue, message.token)
    else if (message.kind === 'hold') extra.set(message.entry.slot, message.entry)
    else extra.delete(message.slot)
  })

  const describe = (entries: readonly TableEntry[]) =>
    entries.slice(0, MAX_NAMED).map(({ queue, id }) => `${queues[queue]?.name}:${id}`)
  let noticed = { blockedMs: 0, running: 0, jobs: describe([]) }
  setInterval(() => {
    const entries = readAll()
    const seen = watch.look(table.beats, monotonicMs())
    renewals.round(entries, seen.isBlocked)
    const facts = { blockedMs: Math.round(seen.blockedMs), running: entries.length, jobs: describe(entries) }
    if (seen.event === 'blocked') writeLine(40, facts, 'event loop blocked, the locks are kept')
    if (seen.event === 'blocked') noticed = facts
    // With the jobs that ran when it was noticed: the one that blocked has ended by now.
    if (seen.event === 'free') say({ kind: 'freed', ...noticed, blockedMs: facts.blockedMs })
    if (seen.isBlocked && seen.blockedMs > limitOf(entries, maxBlockedMs)) {
      writeLine(60, facts, 'event loop blocked too long, the process is ended')
      process.kill(process.pid, 'SIGKILL')
    }
  }, roundMs(lockMs))
}

/** Beyond its timeout by so much, a blocking handler will not come back. */
const BLOCKED_GRACE_MS = 60_000

function limitOf(entries: readonly TableEntry[], maxBlockedMs: number | undefined): number {
  if (maxBlockedMs === 0) return Number.POSITIVE_INFINITY
  return maxBlockedMs ?? BLOCKED_GRACE_MS + Math.max(0, ...entries.map(({ timeoutMs }) => timeoutMs))
}

// Straight to standard error: the worker's logger belongs to the thread that is blocked.
function writeLine(level: 40 | 60, facts: object, msg: string): void {
  try {
    writeSync(2, `${JSON.stringify({ level, time: Date.now(), pid: process.pid, ...facts, msg })}\n`)
  } catch {
    // Nobody reads standard error, or it is full: the locks matter more.
  }
}
