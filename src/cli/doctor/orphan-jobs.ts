// Jobs whose hash is there and that no list or set of their queue has: nobody will ever run, show or remove them. A job that
// moves while it is looked for seems to be in none, so what is left in the end is looked up once more, one by one.
import { type NamedKey, queueKeys, type RedisClient } from '../../redis/index.js'

type Node = Pick<RedisClient, 'pipeline'>

const SETS = ['completed', 'failed', 'delayed', 'prioritized', 'waiting-children']
const LISTS = ['wait', 'paused', 'active']
/** Ids of one list that are read at a time, and at most: a longer list is not read, and nothing said of its queue. */
const PAGE = 5_000
const MAX_LIST = 1_000_000
/** Each of these costs a search through the lists. */
const MAX_CONFIRMED = 100

/** The jobs among these that are in none of their queue's sorted sets. */
export async function inNoSet(node: Node, jobs: readonly NamedKey[], prefix: string): Promise<NamedKey[]> {
  const scores = await ask(node, jobs, (pipeline, { queue, name }) => {
    for (const set of SETS) pipeline.zscore(queueKeys(prefix, queue).bullBase + set, name)
  })
  return jobs.filter((_, index) => {
    const own = scores.slice(index * SETS.length, (index + 1) * SETS.length)
    return own.every((score) => score === null)
  })
}

/** Those that are in no list of their queue either, as far as that can be told in bounded time. */
export async function findOrphans(
  client: RedisClient,
  placeless: readonly NamedKey[],
  prefix: string,
): Promise<NamedKey[]> {
  const left: NamedKey[] = []
  for (const queue of new Set(placeless.map((job) => job.queue))) {
    const listed = await readListed(client, queueKeys(prefix, queue).bullBase)
    if (listed !== undefined) left.push(...placeless.filter((job) => job.queue === queue && !listed.has(job.name)))
  }
  const orphans: NamedKey[] = []
  for (const job of left.slice(0, MAX_CONFIRMED)) if (await isOrphan(client, job, prefix)) orphans.push(job)
  return orphans
}

async function readListed(client: RedisClient, bullBase: string): Promise<Set<string> | undefined> {
  const ids = new Set<string>()
  for (const list of LISTS) {
    const length = await client.llen(bullBase + list)
    if (length > MAX_LIST) return undefined
    for (let start = 0; start < length; start += PAGE) {
      for (const id of await client.lrange(bullBase + list, start, start + PAGE - 1)) ids.add(id)
    }
  }
  return ids
}

// Lists before sets before the hash: a job goes from a list to a set, and is removed from both before its hash is.
async function isOrphan(client: RedisClient, job: NamedKey, prefix: string): Promise<boolean> {
  const { bullBase } = queueKeys(prefix, job.queue)
  for (const list of LISTS) if ((await client.lpos(bullBase + list, job.name)) !== null) return false
  if ((await inNoSet(client, [job], prefix)).length === 0) return false
  for (const list of LISTS) if ((await client.lpos(bullBase + list, job.name)) !== null) return false
  return (await client.exists(job.key)) === 1
}

async function ask(
  node: Node,
  jobs: readonly NamedKey[],
  commands: (pipeline: ReturnType<Node['pipeline']>, job: NamedKey) => void,
): Promise<unknown[]> {
  if (jobs.length === 0) return []
  const pipeline = node.pipeline()
  for (const job of jobs) commands(pipeline, job)
  // A set that is none is an error for each job, and its own finding: such a job counts as placed.
  return ((await pipeline.exec()) ?? []).map(([error, reply]) => error ?? reply)
}
