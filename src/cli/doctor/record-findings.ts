// What `drover doctor` says about single records: results, jobs, counters, stats and locks that cannot be read or do not
// belong there. It looks at every name, and into a bounded number of records of each kind.
import { describeNames, type Finding, ok, parseResult } from '../../ledger/index.js'
import { type NamedKey, queueKeys, type RedisClient, scanKeys } from '../../redis/index.js'
import { findOrphans, inNoSet } from './orphan-jobs.js'

/** Records of one kind that are read; of more, these stand for all. */
const MAX_RECORDS = 20_000
const INTEGER = /^-?(0|[1-9]\d{0,18})$/

/** What was found wrong, by code: the keys. */
type Wrong = Map<string, string[]>
type Node = Parameters<typeof lookInto>[0]

export async function findRecords(client: RedisClient, prefix: string): Promise<Finding[]> {
  const wrong: Wrong = new Map()
  const looked = new Map<NamedKey['kind'], number>()
  const placeless: NamedKey[] = []
  for await (const { node, keys } of scanKeys(client, prefix)) {
    const wanted = keys.filter(({ kind }) => {
      const count = (looked.get(kind) ?? 0) + 1
      looked.set(kind, count)
      return count <= MAX_RECORDS
    })
    await lookInto(node, wanted, prefix, wrong)
    placeless.push(...(await inNoSet(node, ofKind(wanted, 'job'), prefix)))
  }
  for (const { key } of await findOrphans(client, placeless, prefix)) note(wrong, 'ORPHANED_JOB', key)
  const findings = DESCRIPTIONS.flatMap((description) => describeNames(wrong.get(description.code) ?? [], description))
  return [...findings, ...describeLook(looked, findings.length)]
}

function describeLook(looked: ReadonlyMap<string, number>, found: number): Finding[] {
  const counts = [...looked].filter(([kind]) => kind !== 'bull' && kind !== 'other')
  const cut = counts.filter(([, count]) => count > MAX_RECORDS)
  const shown = counts.map(([kind, count]) => `${count} of kind ${kind}`).join(', ') || 'none'
  const note = cut.length === 0 ? '' : ` (read were the first ${MAX_RECORDS} of each kind)`
  return found === 0 ? [ok('RECORDS', `records: ${shown}${note}`)] : []
}

async function lookInto(
  node: import('ioredis').Redis,
  keys: readonly NamedKey[],
  prefix: string,
  wrong: Wrong,
): Promise<void> {
  await Promise.all([
    lookAtResults(node, ofKind(keys, 'result'), wrong),
    lookAtCounters(node, ofKind(keys, 'counter'), wrong),
    lookAtStats(node, ofKind(keys, 'stats', 'statsHour'), wrong),
    lookAtJobs(node, ofKind(keys, 'job'), wrong),
    lookAtLocks(node, ofKind(keys, 'lock'), prefix, wrong),
  ])
}

function ofKind(keys: readonly NamedKey[], ...kinds: NamedKey['kind'][]): NamedKey[] {
  return keys.filter(({ kind }) => kinds.includes(kind))
}

async function lookAtResults(node: Node, keys: readonly NamedKey[], wrong: Wrong): Promise<void> {
  const texts = await ask(node, keys, (pipeline, { key }) => pipeline.get(key))
  for (const [index, { key }] of keys.entries()) {
    const text = texts[index]
    if (text instanceof Error) note(wrong, 'RESULT_MALFORMED', key)
    else if (typeof text === 'string' && parseResult(text) === null) note(wrong, 'RESULT_MALFORMED', key)
  }
}

async function lookAtCounters(node: Node, keys: readonly NamedKey[], wrong: Wrong): Promise<void> {
  const texts = await ask(node, keys, (pipeline, { key }) => pipeline.get(key))
  for (const [index, { key }] of keys.entries()) {
    const text = texts[index]
    if (text instanceof Error) note(wrong, 'WRONG_TYPE', key)
    else if (typeof text === 'string' && !INTEGER.test(text)) note(wrong, 'COUNTER_NOT_INTEGER', key)
  }
}

async function lookAtStats(node: Node, keys: readonly NamedKey[], wrong: Wrong): Promise<void> {
  const [lifetimes, types] = await Promise.all([
    ask(node, keys, (pipeline, { key }) => pipeline.ttl(key)),
    ask(node, keys, (pipeline, { key }) => pipeline.type(key)),
  ])
  for (const [index, { key }] of keys.entries()) {
    if (lifetimes[index] === -1) note(wrong, 'STATS_WITHOUT_TTL', key)
    if (types[index] !== 'hash' && types[index] !== 'none') note(wrong, 'WRONG_TYPE', key)
  }
}

async function lookAtJobs(node: Node, keys: readonly NamedKey[], wrong: Wrong): Promise<void> {
  const fields = await ask(node, keys, (pipeline, { key }) => pipeline.hmget(key, 'name', 'data', 'opts'))
  for (const [index, { key }] of keys.entries()) {
    const values = fields[index]
    if (values instanceof Error) {
      note(wrong, 'WRONG_TYPE', key)
      continue
    }
    const [name, data, opts] = values as (string | null)[]
    // All missing: it was removed between the two looks.
    if (name === null && data === null && opts === null) continue
    if (!name || !isJson(data) || !isJson(opts)) note(wrong, 'JOB_MALFORMED', key)
  }
}

async function lookAtLocks(node: Node, keys: readonly NamedKey[], prefix: string, wrong: Wrong): Promise<void> {
  const [lifetimes, places] = await Promise.all([
    ask(node, keys, (pipeline, { key }) => pipeline.pttl(key)),
    ask(node, keys, (pipeline, { queue, name }) => pipeline.lpos(`${queueKeys(prefix, queue).bullBase}active`, name)),
  ])
  for (const [index, { key }] of keys.entries()) {
    // One with a lifetime ends by itself, within seconds.
    if (lifetimes[index] === -1 && places[index] === null) note(wrong, 'ORPHANED_LOCK', key)
  }
}

type Pipeline = ReturnType<Node['pipeline']>

/** One reply for each key, an error among them where Redis refused the command for this key. */
async function ask(
  node: Node,
  keys: readonly NamedKey[],
  command: (pipeline: Pipeline, key: NamedKey) => Pipeline,
): Promise<unknown[]> {
  if (keys.length === 0) return []
  const pipeline = node.pipeline()
  for (const key of keys) command(pipeline, key)
  return ((await pipeline.exec()) ?? []).map(([error, reply]) => error ?? reply)
}

function isJson(text: string | null | undefined): boolean {
  try {
    JSON.parse(text ?? '')
    return true
  } catch {
    // The question is whether it is.
    return false
  }
}

function note(wrong: Wrong, code: string, key: string): void {
  const keys = wrong.get(code)
  if (keys) keys.push(key)
  else wrong.set(code, [key])
}

const DESCRIPTIONS = [
  {
    level: 'error',
    code: 'WRONG_TYPE',
    evidence: (shown: string) =>
      `keys are of another type than Drover gives them, another program wrote them: ${shown}`,
    remedy: "look at them with redis-cli TYPE, then rename or delete them: redis-cli RENAME '<key>' '<key>.old'",
  },
  {
    level: 'error',
    code: 'COUNTER_NOT_INTEGER',
    evidence: (shown: string) => `counters are no whole numbers, jobs that add to them fail: ${shown}`,
    remedy: "correct them: redis-cli SET '<key>' 0",
  },
  {
    level: 'warning',
    code: 'RESULT_MALFORMED',
    evidence: (shown: string) => `result records cannot be read, and count as missing: ${shown}`,
    remedy: 'another program or a later Drover wrote them: delete them, or run one version everywhere',
  },
  {
    level: 'error',
    code: 'JOB_MALFORMED',
    evidence: (shown: string) => `jobs cannot be read, so that each attempt fails: ${shown}`,
    remedy: 'another program wrote them: remove them on the dashboard, and enqueue with drover enqueue or a producer',
  },
  {
    level: 'warning',
    code: 'STATS_WITHOUT_TTL',
    evidence: (shown: string) => `stats have no lifetime and stay for ever: ${shown}`,
    remedy: "give them one: redis-cli EXPIRE '<key>' 172800",
  },
  {
    level: 'warning',
    code: 'ORPHANED_LOCK',
    evidence: (shown: string) =>
      `locks without a lifetime belong to no running job; such a job could not be removed: ${shown}`,
    remedy: "delete them: redis-cli DEL '<key>'",
  },
  {
    level: 'warning',
    code: 'ORPHANED_JOB',
    evidence: (shown: string) =>
      `jobs are in no list of their queue, so that nobody will ever run or remove them: ${shown}`,
    remedy: "look at one with redis-cli HGETALL, enqueue it again where it matters, then redis-cli DEL '<key>'",
  },
] as const
