// Owns a job's contract: what it is called, what goes in and comes out, and how it is retried and kept.
// contract-options.ts reads and checks the options; job-data.ts applies the schemas and limits.

import type { BackoffOptions } from './backoff.js'
import type { CacheOptions } from './cache-rule.js'
import { type CheckedOptions, checkOptions } from './contract-options.js'
import type { Duration } from './duration.js'
import type { DepthOptions, MergeOptions } from './enqueue-rules.js'
import type { VersionOptions } from './input-version.js'
import type { JsonValue } from './json.js'
import type { LimitContractOptions } from './limit-options.js'
import type { SchemaInput, SchemaOutput, StandardSchemaV1 } from './schema.js'

// In the global registry, so that two installed copies of this package accept each other's contracts.
const CONTRACT_BRAND = Symbol.for('drover.contract')

export interface JobOptions<
  Name extends string,
  Input extends StandardSchemaV1,
  Output extends StandardSchemaV1 | undefined,
> extends MergeOptions<SchemaInput<Input>>,
    DepthOptions,
    LimitContractOptions<SchemaInput<Input>>,
    VersionOptions {
  /** Unique among the jobs of its queue: 1 to 128 characters of A-Z a-z 0-9 _ . -, the first a letter or digit. */
  readonly name: Name
  /**
   * 1 to 64 characters of A-Z a-z 0-9 _ . -, the first a letter or digit; not `result`, `counter`, `counters`,
   * `totals`, `stats`, `done`, `key`, `once`, `tag`, `tags` and the like, which are keys of Drover (src/job/names.ts). Jobs of one queue share its concurrency.
   */
  readonly queue: string
  /** Any Standard Schema. Enqueue refuses what fails it; the handler gets what it makes of the stored input. */
  readonly input: Input
  /** Any Standard Schema for what the handler returns. What it makes of that is stored. Default: any JSON. */
  readonly output?: Output
  /** Most runs, the first included, 1 to 1000. Default 3, with `retryUntil` 1000. 1 means no retry. */
  readonly attempts?: number
  readonly backoff?: BackoffOptions
  /**
   * Latest start of a retry, counted from when the job was first due: 1 ms to 365 days. A failed attempt whose wait leads
   * beyond it fails the job at once; one that runs is not ended by it, as it is by `deadline`. Default: none.
   */
  readonly retryUntil?: Duration
  /** Longest time for one attempt, 1 ms to 30 days. Default `5m`. A hung attempt blocks a place of its worker this long. */
  readonly timeout?: Duration
  /**
   * Longest time for the whole job, all attempts and the waits between them, from when it was first due: 1 ms to 365 days.
   * After it no attempt starts, and one that runs ends. By the clocks of producer and worker. Default: none.
   */
  readonly deadline?: Duration
  /** How long the result stays readable, 1 s to 365 days. Default `24h`, or `cache.ttl` where that is longer. Longer costs Redis memory for each job. */
  readonly keepResult?: Duration
  /** Gives an equal input the stored result without a run: see `CacheOptions`. Not with `unique` and its fellows. Default: each input runs. */
  readonly cache?: CacheOptions<SchemaInput<Input>>
  /** Most bytes of JSON the input may take, 1 to 67108864. Default 262144. Every waiting job holds its input in Redis. */
  readonly maxInputBytes?: number
  /** Most bytes of JSON the result may take, 1 to 67108864. Default 1048576. Every kept result holds them in Redis. */
  readonly maxResultBytes?: number
}

/** A checked and frozen job: data only, safe to import anywhere. Durations are in milliseconds. */
export interface JobContract<
  Name extends string = string,
  Input extends StandardSchemaV1 = StandardSchemaV1,
  Output extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined,
> extends CheckedOptions {
  readonly name: Name
  readonly input: Input
  readonly output: Output
}

export type AnyJobContract = JobContract

/** What enqueue takes. */
export type InputOf<Contract extends AnyJobContract> = SchemaInput<Contract['input']>
/** What the handler gets: the input after the schema's defaults and transforms. */
export type HandlerInputOf<Contract extends AnyJobContract> = SchemaOutput<Contract['input']>
/** What the handler returns: what the output schema takes; without one anything, checked to be JSON when it runs. */
export type HandlerResultOf<Contract extends AnyJobContract> = Contract['output'] extends StandardSchemaV1
  ? SchemaInput<Contract['output']>
  : unknown
/** What is stored and read back: what the output schema makes of the handler's result. */
export type ResultOf<Contract extends AnyJobContract> = Contract['output'] extends StandardSchemaV1
  ? SchemaOutput<Contract['output']>
  : JsonValue

/**
 * Describes a job once, for the code that enqueues it and the handler that runs it. Touches neither Redis nor a file.
 * Throws ContractError, which lists every problem of the options.
 */
export function defineJob<
  const Name extends string,
  Input extends StandardSchemaV1,
  Output extends StandardSchemaV1 | undefined = undefined,
>(options: JobOptions<Name, Input, Output>): JobContract<Name, Input, Output> {
  const checked = checkOptions(options)
  const contract = { name: options.name, input: options.input, output: options.output, ...checked }
  Object.defineProperty(contract, CONTRACT_BRAND, { value: true })
  return Object.freeze(contract) as JobContract<Name, Input, Output>
}

/** True for what `defineJob` returned, also that of another installed copy of this package. */
export function isJobContract(value: unknown): value is AnyJobContract {
  return (
    typeof value === 'object' && value !== null && (value as { [CONTRACT_BRAND]?: unknown })[CONTRACT_BRAND] === true
  )
}
