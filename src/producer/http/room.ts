// What all routes work with: one producer, one connection for the rest, the contracts, the tokens. create-http-api.ts
// builds it.

import type { JsonValue } from '../../job/index.js'
import { QueueNotFoundError, suggest } from '../../job/index.js'
import type { AccessList } from '../../ledger/index.js'
import { type Access, allowsQueue } from '../../ledger/index.js'
import { checkQueueName, queuesKey } from '../../redis/index.js'
import type { BullQueue, BullQueues } from '../bull-queues.js'
import type { Producer } from '../create-producer.js'
import type { RedisGate } from '../redis-gate.js'
import type { Call } from './call.js'
import type { Contracts } from './contracts.js'
import type { EventFeeds } from './event-feed.js'

export interface Room {
  readonly prefix: string
  readonly contracts: Contracts
  readonly producer: Producer
  readonly gate: RedisGate
  readonly queues: BullQueues
  readonly accessList: AccessList
  readonly feeds: EventFeeds
  readonly readBody: (call: Call) => Promise<JsonValue>
  /** Names of queues that are known to exist; they never cease to. */
  readonly knownQueues: Set<string>
  /** Answers that are held back for results right now. */
  readonly waits: { count: number; readonly max: number }
  readonly maxLineBytes: number
  readonly maxBulkBytes: number
  /** Event streams that are open right now. */
  readonly streams: { count: number; readonly max: number }
  /** Aborted when the API closes. */
  readonly closing: AbortSignal
}

/** A queue that a producer or worker has used and the token is for. @throws InvalidQueueNameError, QueueNotFoundError */
export async function openQueue(room: Room, access: Access, name: string): Promise<BullQueue> {
  checkQueueName(name)
  if (!allowsQueue(access, name)) throw new QueueNotFoundError(name, room.prefix)
  if (!room.knownQueues.has(name)) {
    const names = await queueNames(room, access)
    if (!names.includes(name)) throw new QueueNotFoundError(name, room.prefix, suggest(name, names))
    room.knownQueues.add(name)
  }
  return room.queues.get(name)
}

/** The names of the queues that the token is for, sorted. */
export async function queueNames({ gate, prefix }: Room, access: Access): Promise<string[]> {
  const names = await gate.run('the list of queues', () => gate.client.smembers(queuesKey(prefix)))
  return names.filter((name) => allowsQueue(access, name)).sort()
}
