// A few reads of one queue's keys, sent together: as one script where one server has all keys, else as a pipeline. While a
// cluster moves a slot no script may run in it, and a page about all queues must not wait for that.
import { readFileSync } from 'node:fs'
import { Cluster } from 'ioredis'
import type { RedisClient } from '../redis/index.js'

/** A command that only reads, and that stays short however large its key is; none that gives a whole hash. */
export type Read = readonly [command: string, key: string, ...words: (string | number)[]]

const readTogetherLua = readFileSync(new URL('./read-together.lua', import.meta.url), 'utf8')

/** @throws the error of the first read that Redis refuses, as it words it */
export async function readTogether(client: RedisClient, reads: readonly Read[]): Promise<unknown[]> {
  if (reads.length === 0) return []
  if (client instanceof Cluster) return readEach(client, reads)
  const keys = [...new Set(reads.map(([, key]) => key))]
  const words = reads.flatMap((read) => [read.length, ...read])
  return (await client.eval(readTogetherLua, keys.length, ...keys, ...words)) as unknown[]
}

async function readEach(client: Cluster, reads: readonly Read[]): Promise<unknown[]> {
  const pipeline = client.pipeline()
  for (const [command, ...words] of reads) pipeline.call(command, ...words)
  return ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error) throw error
    return reply
  })
}
