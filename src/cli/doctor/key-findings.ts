// What `drover doctor` says about the few keys that there are once or once a queue: their types, the contract's version,
// the totals. queue-facts.ts gathers how a queue is, record-findings.ts looks at single jobs, results and counters.

import { isQueueName } from '../../job/index.js'
import {
  describeNames,
  describeWrongKey,
  type ExpectedKey,
  type Finding,
  findWrongKeys,
  findWrongKeysOf,
  judgeHealth,
  ok,
  type QueueFacts,
  RESULT_VERSION,
  readWorkers,
  type WorkerBeat,
  type WrongKey,
} from '../../ledger/index.js'
import { contractKey, queueKeys, queuesKey, type RedisClient, workersKey } from '../../redis/index.js'
import { findLimits } from './limit-findings.js'
import { findOutboxes } from './outbox-findings.js'
import { gatherQueue } from './queue-facts.js'

export async function findKeys(client: RedisClient, prefix: string): Promise<Finding[]> {
  const registry = { key: queuesKey(prefix), type: 'set', what: 'the list of queues' }
  const contract = { key: contractKey(prefix), type: 'hash', what: 'the version of the keys' }
  const fleet = { key: workersKey(prefix), type: 'zset', what: 'the list of workers' }
  const wrong = (await findWrongKeys(client, [registry, contract, fleet])).map(wrongType)
  const isReadable = (expected: ExpectedKey) => !wrong.some(({ evidence }) => evidence.includes(expected.key))
  const queues = isReadable(registry) ? (await client.smembers(registry.key)).sort() : []
  const workers = isReadable(fleet) ? await readWorkers(client, prefix, { isReadOnly: true }) : []
  const perQueue = await Promise.all(
    queues.filter(isQueueName).map((queue) => lookIntoQueue(client, prefix, queue, workers)),
  )
  const inQueues = perQueue.flatMap(({ findings }) => findings)
  const facts = perQueue.flatMap(({ facts }) => facts ?? [])
  const health = judgeHealth({ nowMs: Date.now(), workers, queues: facts })
  const isFine = wrong.length === 0 && inQueues.length === 0 && health.length === 0
  return [
    ...wrong,
    ...(isReadable(contract) ? await findContract(client, contract.key) : []),
    ...queues.filter((queue) => !isQueueName(queue)).map((queue) => strangeQueue(registry.key, queue)),
    ...inQueues,
    ...health,
    ...(isFine ? [ok('KEYS', describeKeys(queues, prefix))] : []),
  ]
}

interface QueueLook {
  readonly findings: readonly Finding[]
  /** None for a queue that has keys of another type. */
  readonly facts?: QueueFacts
}

async function lookIntoQueue(
  client: RedisClient,
  prefix: string,
  queue: string,
  workers: readonly WorkerBeat[],
): Promise<QueueLook> {
  const keys = queueKeys(prefix, queue)
  const wrong = (await findWrongKeysOf(client, keys)).map(wrongType)
  if (wrong.length > 0) return { findings: wrong }
  const [totals, outboxes, limits, facts] = await Promise.all([
    findTotals(client, keys.totals),
    findOutboxes(client, queue, keys),
    findLimits(client, queue, keys),
    gatherQueue(client, prefix, queue, workers),
  ])
  return { findings: [...totals, ...outboxes, ...limits], facts }
}

async function findTotals(client: RedisClient, key: string): Promise<Finding[]> {
  const fields = Object.entries(await client.hgetall(key)).filter(([, text]) => !/^\d{1,19}$/.test(text))
  return describeNames(
    fields.map(([field]) => field),
    {
      level: 'error',
      code: 'TOTALS_NOT_INTEGER',
      evidence: (shown) => `${key} holds what is no count, which stays as it is while jobs end: ${shown}`,
      remedy: `correct it: redis-cli HSET '${key}' <field> <number>; drover verify says what is known`,
    },
  )
}

function wrongType(wrong: WrongKey): Finding {
  const { key } = wrong
  const remedy = `look at it, then rename or delete it: redis-cli RENAME '${key}' '${key}.old'`
  return { level: 'error', code: 'WRONG_TYPE', evidence: describeWrongKey(wrong), remedy }
}

async function findContract(client: RedisClient, key: string): Promise<Finding[]> {
  const version = await client.hget(key, 'version')
  if (version === null) return [ok('KEY_VERSION', 'no worker has run on this Redis yet')]
  if (version === String(RESULT_VERSION))
    return [ok('KEY_VERSION', `the keys are of version ${version}, which this Drover writes`)]
  const evidence = `${key} says that the keys are of version ${version}, this Drover writes ${RESULT_VERSION}`
  const remedy = 'run one version of Drover everywhere, or give this one another prefix'
  return [{ level: 'error', code: 'KEY_VERSION', evidence, remedy }]
}

function strangeQueue(key: string, queue: string): Finding {
  return {
    level: 'warning',
    code: 'STRANGE_QUEUE',
    evidence: `${key} has the entry ${JSON.stringify(queue.slice(0, 100))}, which is no name of a queue`,
    remedy: 'another program wrote it: remove the entry with SREM',
  }
}

function describeKeys(queues: readonly string[], prefix: string): string {
  if (queues.length === 0) return `no queue has been used under the prefix ${prefix} yet`
  return `the keys of ${queues.length === 1 ? 'queue' : 'queues'} ${queues.join(', ')} are as they should be`
}
