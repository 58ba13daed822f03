// Every Redis key and channel of Drover, each built by one function. The rules for the names inside them are in key-names.ts.
// BullMQ's own keys live under `bullBase` and are named by BullMQ.

/** The keys of one queue. All carry the queue's hash tag, so all of them share one cluster slot. */
export interface KeysOfQueue {
  /** `{drover:<queue>}`, the hash tag. BullMQ's `prefix` option is this text. */
  readonly tag: string
  /** The same text as `tag`, under the name of its use: BullMQ's `prefix` option. */
  readonly bull: string
  /** `{drover:<queue>}:`, what each of our own keys of the queue starts with. */
  readonly base: string
  /** `{drover:<queue>}:<queue>:`, what each of BullMQ's keys of the queue starts with. */
  readonly bullBase: string
  /** String, one JSON record of how the job ended. TTL: the contract's `keepResult`, by default 24 h. */
  result(id: string): string
  /** String, an integer that any client may `GET` and `INCRBY`; a missing key reads as 0. No TTL. */
  counter(name: string): string
  /** Never there: what a cluster's scripts name beside their keys, see slot-guard.ts. */
  readonly absent: string
  /** Set of the names of all user counters of the queue. No TTL. */
  readonly counterNames: string
  /** Hash of `<job>:completed`, `:failed`, `:retried` and `:snoozed`, counted since the start. No TTL. */
  readonly totals: string
  /** Hash of one minute's counts and histogram buckets; `minute` is whole minutes since 1970. TTL 48 h. */
  stats(minute: number): string
  /** Hash of one hour's counts, as `stats`; `hour` is whole hours since 1970. TTL 90 d. */
  statsHour(hour: number): string
  /** Sorted set of the queue's schedules, by the time of their next tick, ms since 1970; +inf while paused. No TTL. */
  readonly schedules: string
  /** Hash: what a schedule does, and what it has done. No TTL. */
  schedule(name: string): string
  /** Hash: a batch, its counts and the jobs that follow it. TTL 30 d. */
  batch(id: string): string
  /** Sorted set of the ids of the newest batches, by the time they were opened. No TTL. */
  readonly batches: string
  /** Sorted set of the ids of jobs put aside since their name was paused, by their place among them. No TTL. */
  held(job: string): string
  /** Pub/sub channel that fires when the job's result is committed. */
  done(id: string): string
  /**
   * String: the job of an idempotency key, `<job id> <SHA-256 of its input> <job or time>`; `name` is `<job>:<key>`. TTL:
   * the key's `keyTtl`, else that of the job's result.
   */
  key(name: string): string
  /** String: the job whose result serves equal inputs, `<job id> <generation> cache`; `name` is `<job>:<hash>`. TTL: the contract's. */
  cache(name: string): string
  /** Hash: job name -> generation of its cached results; a record of another one serves nobody. No TTL. */
  readonly caches: string
  /** Hash: who runs the function of a `ctx.once`, and what it came to. TTL: its `keep`, by default 24 h. */
  once(key: string): string
  /** Sorted set of the ids of the newest jobs with a tag, by the time of their enqueue. TTL 30 d. */
  tagged(tag: string): string
  /** Sorted set of the tags of the queue, by their last use. TTL 30 d. */
  readonly tags: string
  /** Sorted set of the ids of the error groups, by when each was last seen, ms since 1970. TTL 30 d. */
  readonly errors: string
  /** Hash: one error group. TTL 30 d after its last failure. */
  error(group: string): string
  /** Sorted set of the ids of the group's failed jobs, by when they failed, ms since 1970. TTL as the group's. */
  errorJobs(group: string): string
  /** Sorted set of the ids of the newest replays, by their start, ms since 1970. TTL 30 d. */
  readonly replays: string
  /** Hash: what a replay was asked for, and how far it is. TTL 7 d. */
  replay(id: string): string
  /** Sorted set of the ids of discards that can be undone, by the end of that time, ms since 1970. TTL as the last of them. */
  readonly discards: string
  /** Hash: what a discard was asked for, and how much it took. TTL: until it cannot be undone any more. */
  discard(id: string): string
  /** Stream: jobs for a queue in another slot of the cluster, until they are there. No TTL. */
  outbox(queue: string): string
  /** Hash of the queues that such jobs were for: queue -> fence of the last read. No TTL. */
  readonly outboxes: string
  /** Hash: `fence`, and place -> id of the jobs that came last from the outbox of that queue. No TTL. */
  inbox(queue: string): string
  /** What the limits of the queue keep: `ready`, `due`, `held`, `state`, `key:<id>`, `line:<id>`, `log:<id>`. */
  limit(name: string): string
}

/** The keys of one queue with their fixed parts built once: keep it, and each key costs one concatenation. */
export function queueKeys(prefix: string, queue: string): KeysOfQueue {
  const tag = queueTag(prefix, queue)
  const base = `${tag}:`
  const resultBase = `${base}result:`
  const counterBase = `${base}counter:`
  const statsBase = `${base}stats:`
  const statsHourBase = `${statsBase}h:`
  const scheduleBase = `${base}schedule:`
  const batchBase = `${base}batch:`
  const heldBase = `${base}held:`
  const doneBase = `${base}done:`
  const keyBase = `${base}key:`
  const onceBase = `${base}once:`
  const cacheBase = `${base}cache:`
  const tagBase = `${base}tag:`
  const errorBase = `${base}error:`
  const replayBase = `${base}replay:`
  const discardBase = `${base}discard:`
  const limitBase = `${base}limit:`
  const outboxBase = `${base}outbox:`
  const inboxBase = `${base}inbox:`
  return {
    tag,
    bull: tag,
    base,
    bullBase: `${base}${queue}:`,
    result: (id) => resultBase + id,
    counter: (name) => counterBase + name,
    absent: `${base}absent`,
    counterNames: `${base}counters`,
    totals: `${base}totals`,
    stats: (minute) => statsBase + minute,
    statsHour: (hour) => statsHourBase + hour,
    schedules: `${base}schedules`,
    schedule: (name) => scheduleBase + name,
    batch: (id) => batchBase + id,
    batches: `${base}batches`,
    held: (job) => heldBase + job,
    done: (id) => doneBase + id,
    key: (name) => keyBase + name,
    once: (key) => onceBase + key,
    cache: (name) => cacheBase + name,
    caches: `${base}caches`,
    tagged: (tag) => tagBase + tag,
    tags: `${base}tags`,
    errors: `${base}errors`,
    error: (group) => errorBase + group,
    errorJobs: (group) => `${errorBase}${group}:jobs`,
    replays: `${base}replays`,
    replay: (id) => replayBase + id,
    discards: `${base}discards`,
    discard: (id) => discardBase + id,
    outbox: (queue) => outboxBase + queue,
    outboxes: `${base}outboxes`,
    inbox: (queue) => inboxBase + queue,
    limit: (name) => limitBase + name,
  }
}

/** `{drover:<queue>}`: the hash tag of the queue's keys, and the `prefix` given to BullMQ. */
export function queueTag(prefix: string, queue: string): string {
  return `{${prefix}:${queue}}`
}

/** String, JSON: how one job ended. See `KeysOfQueue.result`. */
export function resultKey(prefix: string, queue: string, id: string): string {
  return queueKeys(prefix, queue).result(id)
}

/** String, integer: one user counter. See `KeysOfQueue.counter`. */
export function counterKey(prefix: string, queue: string, name: string): string {
  return queueKeys(prefix, queue).counter(name)
}

/** Set: the names of the queue's user counters. See `KeysOfQueue.counterNames`. */
export function counterNamesKey(prefix: string, queue: string): string {
  return queueKeys(prefix, queue).counterNames
}

/** Hash: counts per job name since the start. See `KeysOfQueue.totals`. */
export function totalsKey(prefix: string, queue: string): string {
  return queueKeys(prefix, queue).totals
}

/** Hash: the counts of one minute. See `KeysOfQueue.stats`. */
export function statsKey(prefix: string, queue: string, minute: number): string {
  return queueKeys(prefix, queue).stats(minute)
}

/** Hash: the counts of one hour. See `KeysOfQueue.statsHour`. */
export function statsHourKey(prefix: string, queue: string, hour: number): string {
  return queueKeys(prefix, queue).statsHour(hour)
}

/** Pub/sub channel: fires when the job's result is committed. See `KeysOfQueue.done`. */
export function doneChannel(prefix: string, queue: string, id: string): string {
  return queueKeys(prefix, queue).done(id)
}

/** Set of the names of all queues a worker or a producer has used under this prefix. No TTL. */
export function queuesKey(prefix: string): string {
  return `${prefix}:queues`
}

/** Sorted set of the ids of all workers, by their last heartbeat, ms since 1970 by their own clock. No TTL. */
export function workersKey(prefix: string): string {
  return `${prefix}:workers`
}

/** Hash: a worker's last heartbeat. It is gone when three have failed to come. */
export function workerKey(prefix: string, id: string): string {
  return `${prefix}:worker:${id}`
}

/** Sorted set of the releases of workers, by when each was first seen, ms since 1970: the newest 100. No TTL. */
export function releasesKey(prefix: string): string {
  return `${prefix}:releases`
}

/** String, JSON: what autoscaling knows of a pool, its queues by name with commas between. Gone 2 h after the last look. */
export function autoscaleKey(prefix: string, pool: string, waitTargetMs: number | string): string {
  return `${prefix}:autoscale:{${pool}}:${waitTargetMs}`
}

/** List of as many elements as the pool should have workers. Gone when nobody has told for a minute. */
export function autoscaleWorkersKey(prefix: string, pool: string, waitTargetMs: number | string): string {
  return `${autoscaleKey(prefix, pool, waitTargetMs)}:workers`
}

/** Hash: what a worker was told to do, which it reads each second. Gone a minute after the worker. */
export function workerOrdersKey(prefix: string, id: string): string {
  return `${prefix}:worker:${id}:orders`
}

/** Stream: who changed what in the dashboard, the newest 10,000. See `NewAuditEntry`. No TTL. */
export function auditKey(prefix: string): string {
  return `${prefix}:audit`
}

/** Hash of the tokens of the HTTP API and the dashboard: id -> JSON with the token's SHA-256, never the token. No TTL. */
export function tokensKey(prefix: string): string {
  return `${prefix}:tokens`
}

/** Sorted set of the ids of the dashboard's sessions that were signed out, by when each would have expired. TTL 12 h. */
export function signedOutKey(prefix: string, token: string): string {
  return `${prefix}:signed-out:${token}`
}

/** Hash with the version of this key contract. No TTL. */
export function contractKey(prefix: string): string {
  return `${prefix}:contract`
}
