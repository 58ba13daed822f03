// The types of Drover's settings: as people write them in drover.config.ts, and as a process runs with them.
import type { Duration } from '../job/index.js'
import type { Durability, RedisSettings } from '../redis/index.js'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]
export const LOG_FORMATS = ['json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** What drover.config.ts may export. Everything is optional; `SETTINGS_TABLE` has meaning, unit and default. */
export interface DroverConfig {
  readonly redis?: string | RedisSettings | undefined
  readonly prefix?: string | undefined
  readonly jobs?: string | readonly string[] | undefined
  readonly queues?: Readonly<Record<string, number | { readonly concurrency?: number }>> | undefined
  readonly concurrency?: number | undefined
  readonly shutdownTimeout?: Duration | undefined
  readonly processes?: number | 'auto' | undefined
  readonly maxMemory?: number | string | undefined
  readonly maxJobs?: number | undefined
  readonly release?: string | undefined
  readonly waitTarget?: Duration | undefined
  readonly minWorkers?: number | undefined
  readonly maxWorkers?: number | undefined
  readonly scaleDown?: Duration | undefined
  readonly healthPort?: number | undefined
  readonly healthHost?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly basePath?: string | undefined
  readonly token?: string | undefined
  readonly logLevel?: LogLevel | undefined
  readonly logFormat?: LogFormat | undefined
  readonly dataDir?: string | undefined
  readonly timeout?: Duration | undefined
  readonly durability?: Durability | undefined
  readonly allowVolatile?: boolean | undefined
}

export type SettingName = keyof DroverConfig

/** The settings a process runs with: every value checked, every default filled in. */
export interface Settings {
  /** Undefined when nobody named a Redis. */
  readonly redis: RedisSettings | undefined
  readonly prefix: string
  readonly jobs: readonly string[]
  /** Empty when nobody named queues: then it is every queue that a handler names. */
  readonly queues: Readonly<Record<string, { readonly concurrency: number }>>
  readonly concurrency: number
  readonly shutdownTimeoutMs: number
  /** Worker processes; `auto` is one per core. */
  readonly processes: number
  readonly maxMemoryBytes: number | undefined
  readonly maxJobs: number | undefined
  readonly release: string | undefined
  /** What was given of it; `waitTarget` and `scaleDown` in ms. */
  readonly autoscale: {
    readonly waitTarget: number | undefined
    readonly minWorkers: number | undefined
    readonly maxWorkers: number | undefined
    readonly scaleDown: number | undefined
  }
  /** Undefined: a worker answers no health checks. */
  readonly healthPort: number | undefined
  readonly healthHost: string
  readonly host: string
  readonly port: number
  /** `/`, or a path without a slash at its end. */
  readonly basePath: string
  readonly token: string | undefined
  readonly logLevel: LogLevel
  readonly logFormat: LogFormat
  /** Absolute. */
  readonly dataDir: string
  readonly timeoutMs: number
  readonly durability: Durability
  readonly allowVolatile: boolean
}

/** Gives the config back; it is there for the types: `export default defineConfig({ … })` in drover.config.ts. */
export function defineConfig(config: DroverConfig): DroverConfig {
  return config
}
