// The one table of settings: every name with its flag, environment variable, default and meaning. README's table and
// `--help` are checked against it; settings-schema.ts says which values are right.

import type { SettingName } from './settings.js'

export interface SettingRow {
  /** Name in drover.config.ts. */
  readonly name: SettingName
  /** Command line flag, with its value as `--help` shows it. */
  readonly flag: string
  /** Environment variables, the first that is set wins. */
  readonly env: readonly string[]
  /** What holds when nobody says anything, as people read it. */
  readonly default: string
  readonly meaning: string
  /** Unit of the value; none where it has none. */
  readonly unit?: string
  /** The value must not be shown, and may come from the file that `<env>_FILE` names. */
  readonly secret?: true
}

/** Every setting, in the order in which help and README show them. */
export const SETTINGS_TABLE: readonly SettingRow[] = [
  {
    name: 'redis',
    flag: '--redis <url>',
    env: ['REDIS_URL', 'REDIS_HOST', 'REDIS_PORT', 'REDIS_DB', 'REDIS_USERNAME', 'REDIS_PASSWORD'],
    default: 'redis://127.0.0.1:6379; drover dev starts a server of its own',
    meaning: 'Redis to connect to: the URL, or its parts',
    secret: true,
  },
  {
    name: 'prefix',
    flag: '--prefix <name>',
    env: ['DROVER_PREFIX'],
    default: 'drover',
    meaning: 'first part of every Redis key; another prefix is another Drover in the same Redis',
  },
  {
    name: 'jobs',
    flag: '--jobs <globs>',
    env: ['DROVER_JOBS'],
    default: 'jobs/**/*.{ts,mts,js,mjs}',
    meaning: 'files with handlers, as globs from the working directory, several with commas between',
  },
  {
    name: 'queues',
    flag: '--queues <list>',
    env: ['DROVER_QUEUES'],
    default: 'every queue that a handler names',
    meaning: 'queues to work on, each with its own concurrency where one is given: media:8,mail',
  },
  {
    name: 'concurrency',
    flag: '--concurrency <number>',
    env: ['DROVER_CONCURRENCY'],
    default: '10',
    meaning: 'jobs of one queue that a worker runs at once; more take more memory',
    unit: 'jobs',
  },
  {
    name: 'shutdownTimeout',
    flag: '--shutdown-timeout <duration>',
    env: ['DROVER_SHUTDOWN_TIMEOUT'],
    default: '25s',
    meaning: 'how long a worker waits for running jobs when it shuts down, before it hands them back',
    unit: 'duration',
  },
  {
    name: 'processes',
    flag: '--processes <number>',
    env: ['DROVER_PROCESSES'],
    default: '1',
    meaning: 'worker processes below one supervisor, each with its own concurrency; auto is one per core',
  },
  {
    name: 'maxMemory',
    flag: '--max-memory <size>',
    env: ['DROVER_MAX_MEMORY'],
    default: 'none',
    meaning: 'resident memory at which a worker process is replaced, such as 512mb',
    unit: 'bytes',
  },
  {
    name: 'maxJobs',
    flag: '--max-jobs <number>',
    env: ['DROVER_MAX_JOBS'],
    default: 'none',
    meaning: 'attempts after which a worker process is replaced',
  },
  {
    name: 'release',
    flag: '--release <name>',
    env: ['DROVER_RELEASE'],
    default: 'none',
    meaning: 'release of your code that a worker runs: errors, charts and workers tell releases apart by it',
  },
  {
    name: 'waitTarget',
    flag: '--wait-target <duration>',
    env: ['DROVER_WAIT_TARGET'],
    default: '30s; a worker works the number out only when it is given',
    meaning: 'how long a job may wait before it starts: what the number of workers wanted is worked out from',
    unit: 'duration',
  },
  {
    name: 'minWorkers',
    flag: '--min-workers <number>',
    env: ['DROVER_MIN_WORKERS'],
    default: '0',
    meaning: 'fewest workers wanted',
  },
  {
    name: 'maxWorkers',
    flag: '--max-workers <number>',
    env: ['DROVER_MAX_WORKERS'],
    default: '10',
    meaning: 'most workers wanted',
  },
  {
    name: 'scaleDown',
    flag: '--scale-down <duration>',
    env: ['DROVER_SCALE_DOWN'],
    default: '5m',
    meaning: 'for how long the number stays at the most that was wanted',
    unit: 'duration',
  },
  {
    name: 'healthPort',
    flag: '--health-port <number>',
    env: ['DROVER_HEALTH_PORT'],
    default: 'none',
    meaning: 'port on which a worker answers /livez, /readyz and /metrics; 0 takes any free one',
  },
  {
    name: 'healthHost',
    flag: '--health-host <address>',
    env: ['DROVER_HEALTH_HOST'],
    default: '127.0.0.1',
    meaning: 'address of that port; 0.0.0.0 for probes and scrapes from other machines',
  },
  {
    name: 'host',
    flag: '--host <address>',
    env: ['DROVER_HOST'],
    default: '127.0.0.1',
    meaning: 'address the dashboard listens on; one that other machines reach needs a token',
  },
  {
    name: 'port',
    flag: '--port <number>',
    env: ['DROVER_PORT', 'PORT'],
    default: '3768',
    meaning: 'port the dashboard listens on; 0 takes any free one',
  },
  {
    name: 'basePath',
    flag: '--base-path <path>',
    env: ['DROVER_BASE_PATH'],
    default: '/',
    meaning: 'path the dashboard lies under behind a proxy, such as /admin/jobs',
  },
  {
    name: 'token',
    flag: '--token-file <file>',
    env: ['DROVER_TOKEN'],
    default: 'none',
    meaning: 'what people sign in to the dashboard with',
    secret: true,
  },
  {
    name: 'logLevel',
    flag: '--log-level <level>',
    env: ['DROVER_LOG_LEVEL'],
    default: 'info',
    meaning: 'least important log line that is written: trace, debug, info, warn, error, fatal or silent',
  },
  {
    name: 'logFormat',
    flag: '--log-format <format>',
    env: ['DROVER_LOG_FORMAT'],
    default: 'json',
    meaning: 'json for machines, pretty for people',
  },
  {
    name: 'dataDir',
    flag: '--data-dir <path>',
    env: ['DROVER_DATA_DIR'],
    default: '.drover',
    meaning: 'directory where drover dev keeps the data of its own Redis',
  },
  {
    name: 'timeout',
    flag: '--timeout <duration>',
    env: ['DROVER_TIMEOUT'],
    default: '5s',
    meaning: 'how long a command, or a page of the dashboard, waits for an answer of Redis before it fails',
    unit: 'duration',
  },
  {
    name: 'durability',
    flag: '--durability <profile>',
    env: ['DROVER_DURABILITY'],
    default: 'standard',
    meaning: 'standard: jobs are on disk within a second; strict: before they count as accepted, and on a replica too',
  },
  {
    name: 'allowVolatile',
    flag: '--allow-volatile',
    env: ['DROVER_ALLOW_VOLATILE'],
    default: 'false',
    meaning: 'also use a Redis that can lose every job: without an append-only file, or one that evicts keys',
  },
]
