// Keeps scripts from running while a cluster moves their slot. A script names some of its keys and makes up the others; in
// a slot that is on its way, Redis looks only for those it names, so that a script would read and write on one node what
// the other one still has. With a key beside them that never exists, Redis answers TRYAGAIN for the whole of the move.
import type { Cluster } from 'ioredis'

/** What the key that never exists is called, behind the tag of the other keys. */
const ABSENT = ':absent'

type Call = (this: unknown, ...args: unknown[]) => unknown
type Named = Record<string, Call>

/**
 * Gives every script or function that this client defines or runs from now on one more key, its last: one that goes by
 * `#KEYS` leaves it out. Scripts without a key, or whose first key has no tag, stay as they are.
 */
export function guardSlotMoves(cluster: Cluster): void {
  const named = cluster as unknown as Named
  const define = cluster.defineCommand.bind(cluster)
  cluster.defineCommand = (name, definition) => {
    // The number of keys goes with each call, as it is one more only where there is a tag.
    const { numberOfKeys, ...rest } = definition
    define(name, rest)
    for (const command of [name, `${name}Buffer`]) named[command] = withCount(named[command] as Call, numberOfKeys)
  }
  for (const command of ['eval', 'evalsha', 'fcall']) {
    const run = named[command] as Call
    named[command] = function (script, ...args) {
      return run.call(this, script, ...guarded(args.flat()))
    }
  }
}

function withCount(run: Call, numberOfKeys: number | undefined): Call {
  return function (...args) {
    const words = args.flat()
    return run.apply(this, guarded(numberOfKeys === undefined ? words : [numberOfKeys, ...words]))
  }
}

/** The words of a call, the number of its keys first, with the key that never exists after the last one. */
function guarded([count, ...words]: unknown[]): unknown[] {
  const keys = Number(count)
  const tag = keys > 0 ? /^[^{]*\{[^}]+\}/.exec(String(words[0]))?.[0] : undefined
  if (tag === undefined) return [count, ...words]
  return [keys + 1, ...words.slice(0, keys), tag + ABSENT, ...words.slice(keys)]
}
