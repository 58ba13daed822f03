// Makes the ledger's backend for BullMQ's workers: which connections it works over.
import { type BackendFactory, QueueKeys, RedisConnection } from 'bullmq'
import { Cluster, type Redis } from 'ioredis'
import { outliveFailover, queueKeys } from '../redis/index.js'
import { LedgerBackend } from './ledger-backend.js'
import type { LedgerBackendOptions } from './ledger-backend-options.js'

/** A BullMQ backend factory for one worker: commands go over `client`, blocking reads over a copy of it. */
export function ledgerBackendFactory(
  client: Redis | Cluster,
  prefix: string,
  {
    keepResultMs,
    onSettled,
    release,
    isLimited,
  }: Pick<LedgerBackendOptions, 'keepResultMs' | 'onSettled' | 'release' | 'isLimited'> = {},
): BackendFactory<LedgerBackend> {
  return (queue, options) => {
    const keys = queueKeys(prefix, queue)
    const blockingClient = copyOf(client)
    const connection = new RedisConnection(client, { shared: true })
    const blocking = new RedisConnection(blockingClient, { blocking: true })
    const bullKeys = new QueueKeys(keys.bull)
    const toKey = (type: string) => bullKeys.toKey(queue, type)
    const own = { client, keys, prefix, queue, blockingClient, keepResultMs, onSettled, release, isLimited }
    return new LedgerBackend(own, connection, queue, bullKeys.getKeys(queue), toKey, options, blocking)
  }
}

function copyOf(client: Redis | Cluster): Redis | Cluster {
  const copy = client instanceof Cluster ? client.duplicate() : client.duplicate()
  outliveFailover(copy)
  return copy
}
