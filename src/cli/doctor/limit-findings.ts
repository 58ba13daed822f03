// What `drover doctor` says about limits by key: permits that no job needs, counts of them that are wrong, and lines that
// cannot move. Workers mend most of it by themselves, so where one looks it is given time to.
import { setTimeout as sleep } from 'node:timers/promises'
import { auditLimits, describeNames, type Finding, isWrongType, type LimitAudit } from '../../ledger/index.js'
import type { KeysOfQueue, RedisClient } from '../../redis/index.js'

/** A little more than a usual `stalledInterval`, in which a worker looks. */
const REPAIR_MS = 6_000
const LOOK_EVERY_MS = 250
/** Workers that looked longer ago than this will not mend anything soon. */
const FRESH_MS = 60_000

export async function findLimits(client: RedisClient, queue: string, keys: KeysOfQueue): Promise<Finding[]> {
  const deadlineMs = performance.now() + REPAIR_MS
  for (;;) {
    const audit = await auditLimits(client, keys).catch((error: unknown) => {
      if (isWrongType(error)) return undefined
      throw error
    })
    if (audit === undefined) return [wrongType(queue)]
    const findings = describeAudit(audit, queue)
    const isLookedAfter = Math.abs(Date.now() - (audit.lookedAt ?? 0)) < FRESH_MS
    if (findings.length === 0 || !isLookedAfter || performance.now() > deadlineMs) return findings
    await sleep(LOOK_EVERY_MS)
  }
}

const wrongType = (queue: string): Finding => ({
  level: 'error',
  code: 'WRONG_TYPE',
  evidence: `queue ${queue} has a key of its limits that is of another type: another program wrote it`,
  remedy: `look at the keys below {<prefix>:${queue}}:limit: with redis-cli TYPE, and rename the one that is no hash (key:…), list (log:…) or sorted set (line:…)`,
})

function describeAudit({ unused, miscounted, stuck }: LimitAudit, queue: string): Finding[] {
  const about = { kind: 'queue', queue } as const
  return [
    ...describeNames(
      unused.map(({ job, id, why }) => `${job} of ${id} (${why})`),
      {
        level: 'warning',
        code: 'PERMITS_LEFT',
        evidence: (shown) => `limits of queue ${queue} have permits out for jobs that do not run: ${shown}`,
        remedy: `run a worker of queue ${queue}: it takes back those of jobs that are gone or have ended; others end with their job`,
        about,
      },
    ),
    ...describeNames(
      miscounted.map(({ id, counted, held }) => `${id} (${counted}, held are ${held})`),
      {
        level: 'error',
        code: 'PERMITS_MISCOUNTED',
        evidence: (shown) => `limits of queue ${queue} count other permits than their jobs have: ${shown}`,
        remedy: `run a worker of queue ${queue}, which corrects the counts and goes on with the lines`,
        about,
      },
    ),
    ...describeNames(
      stuck.map(({ job, id, why }) => `${job} of ${id} (${why === 'no line' ? 'in no line' : 'no turn'})`),
      {
        level: 'error',
        code: 'LIMIT_LINE_STUCK',
        evidence: (shown) => `queue ${queue} has jobs in line for a minute or longer that nobody will take: ${shown}`,
        remedy: `run a worker of queue ${queue}, which gives a line its turn again; cancel a job that is in no line, and enqueue it again`,
        about,
      },
    ),
  ]
}
