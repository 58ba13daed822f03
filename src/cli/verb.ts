// What a verb is, and all of them by name. A verb's file is loaded only when it is the one that was asked for.
import type { Command } from 'commander'
import type { ExitName } from './exit-codes.js'
import type { Output } from './output.js'

export interface VerbCall {
  readonly args: readonly string[]
  /** By name in camelCase, as commander gives them; undefined when not given. */
  readonly options: Readonly<Record<string, unknown>>
  /** All of its words as they were given. */
  readonly words: readonly string[]
  readonly out: Output
}

export interface Verb {
  /** Adds the arguments, options and examples. */
  define(command: Command): void
  /** Does it, and gives the exit code. */
  run(call: VerbCall): Promise<number>
}

interface VerbEntry {
  readonly summary: string
  /** What it may end with besides EXITS_OF_ALL; its help shows these. */
  readonly exits: readonly ExitName[]
  readonly load: () => Promise<Verb>
}

/** What any command may end with. */
export const EXITS_OF_ALL: readonly ExitName[] = ['ok', 'failed', 'usage', 'interrupted']
const OF_REDIS: readonly ExitName[] = ['redisUnreachable', 'redisAuth']

/** Every verb in the order of `drover --help`. */
export const VERBS: Readonly<Record<string, VerbEntry>> = {
  init: {
    summary: 'make a new project that runs',
    exits: [],
    load: async () => (await import('./verbs/init.js')).init,
  },
  dev: {
    summary: 'Redis, a worker that reloads and the dashboard, in one terminal',
    exits: [...OF_REDIS, 'redisNotDurable'],
    load: async () => (await import('./verbs/dev.js')).dev,
  },
  worker: {
    summary: 'run the handlers of the job files',
    exits: [...OF_REDIS, 'crashLoop', 'redisNotDurable'],
    load: async () => (await import('./verbs/worker.js')).worker,
  },
  serve: {
    summary: 'serve the dashboard and the HTTP API',
    exits: [],
    load: async () => (await import('./verbs/serve.js')).serve,
  },
  workers: {
    summary: 'list workers, make them quiet, drain or close them, change how many jobs they run',
    exits: [...OF_REDIS, 'timeout'],
    load: async () => (await import('./verbs/workers.js')).workers,
  },
  queues: {
    summary: 'list queues with counts and rates; pause and resume them, or one job name',
    exits: OF_REDIS,
    load: async () => (await import('./verbs/queues.js')).queues,
  },
  limits: {
    summary: 'show what limits a queue and its keys; set the limits of a whole queue',
    exits: OF_REDIS,
    load: async () => (await import('./verbs/limits.js')).limits,
  },
  top: {
    summary: 'queues, workers and running jobs on one screen, as they change',
    exits: OF_REDIS,
    load: async () => (await import('./verbs/top.js')).top,
  },
  explain: {
    summary: 'tell why a job does not run now, and when it may',
    exits: [...OF_REDIS, 'notFound'],
    load: async () => (await import('./verbs/explain.js')).explain,
  },
  autoscale: {
    summary: 'say how many workers some queues should have',
    exits: [...OF_REDIS, 'notFound'],
    load: async () => (await import('./verbs/autoscale.js')).autoscale,
  },
  jobs: {
    summary: 'cancel a job, also one that runs, or all that match',
    exits: [...OF_REDIS, 'notFound'],
    load: async () => (await import('./verbs/jobs.js')).jobs,
  },
  errors: {
    summary: 'list errors by cause, run failed jobs again in stages, discard them',
    exits: [...OF_REDIS, 'notFound', 'timeout'],
    load: async () => (await import('./verbs/errors.js')).errors,
  },
  schedules: {
    summary: 'list, pause, resume, run and remove schedules',
    exits: [...OF_REDIS, 'notFound'],
    load: async () => (await import('./verbs/schedules.js')).schedules,
  },
  token: {
    summary: 'make, list and revoke tokens of the HTTP API',
    exits: [...OF_REDIS, 'notFound'],
    load: async () => (await import('./verbs/token.js')).token,
  },
  enqueue: {
    summary: 'enqueue one job, or one for each line of an NDJSON or CSV file',
    exits: [...OF_REDIS, 'notFound', 'timeout', 'partial', 'redisNotDurable'],
    load: async () => (await import('./verbs/enqueue.js')).enqueue,
  },
  result: {
    summary: 'show how a job ended, or wait for its end',
    exits: [...OF_REDIS, 'notFound', 'timeout'],
    load: async () => (await import('./verbs/result.js')).result,
  },
  counters: {
    summary: 'show the counters that jobs add to',
    exits: [...OF_REDIS, 'notFound'],
    load: async () => (await import('./verbs/counters.js')).counters,
  },
  cache: {
    summary: 'show what result caches did, and take results out of them',
    exits: [...OF_REDIS, 'notFound'],
    load: async () => (await import('./verbs/cache.js')).cache,
  },
  doctor: {
    summary: 'check Redis for what could lose or delay jobs',
    exits: OF_REDIS,
    load: async () => (await import('./verbs/doctor.js')).doctor,
  },
  verify: {
    summary: 'recompute totals and counters from what is kept, and report drift',
    exits: OF_REDIS,
    load: async () => (await import('./verbs/verify.js')).verify,
  },
  check: {
    summary: 'try the stored inputs against this build, before it is deployed',
    exits: OF_REDIS,
    load: async () => (await import('./verbs/check.js')).check,
  },
  health: {
    summary: 'ask a dashboard whether it is alive, for container health checks',
    exits: [],
    load: async () => (await import('./verbs/health.js')).health,
  },
}
