// Enqueueing under rules: BullMQ's scripts that add a job, each wrapped in add-job.lua under a name of its own. BullMQ's
// own stay as they are, so that a job without rules is added as BullMQ adds it and pays nothing.
import { readFileSync } from 'node:fs'
import { type JobJson, RedisQueueBackend } from 'bullmq'
import type { Cluster, Redis } from 'ioredis'
import { UnsupportedBullmqError } from '../job/index.js'
import type { KeysOfQueue } from '../redis/index.js'
import { BULLMQ_VERSION } from './bullmq-scripts.js'
import { fillTemplate } from './fill-template.js'
import { limitFunctionsLua } from './limits/limit-functions.js'
import { limitWords } from './limits/limit-words.js'
import type { RecordedJob } from './staged-job.js'
import type { StoredOptions } from './stored-job.js'
import { MAX_JOBS_OF_TAG, MAX_TAGS_OF_QUEUE, TAG_TTL_MS } from './tags.js'

/** What decides, in the step that would add the job, whether it is added. */
export interface AddRules {
  readonly key?: AddKey | undefined
  readonly merge?: 'waiting' | 'unfinished' | 'debounce' | 'throttle' | undefined
  readonly maxDepth?: number | undefined
  readonly tags?: readonly string[] | undefined
}

export interface AddKey {
  /** Key of the record, from `KeysOfQueue.key` or `KeysOfQueue.cache`. */
  readonly record: string
  readonly inputHash: string
  readonly ttlMs: number
  /**
   * `job`: as long as the job or its result exists. `time`: for `ttlMs`, whatever becomes of them. `cache` and `refresh`:
   * it is of the result cache, without a hash.
   */
  readonly lasts: 'job' | 'time' | 'cache' | 'refresh'
}

/** What became of one job; `id` is the job that is in the queue, except for `full`. */
export type AddReply =
  | { readonly kind: 'added' | 'known' | 'cached' | 'conflict'; readonly id: string }
  | { readonly kind: 'full'; readonly depth: number }

/** A job in BullMQ's shape, and the rules for it. */
export type RuledJob = JobJson & { readonly rules?: AddRules | undefined }

interface ScriptDefinition {
  readonly lua: string
  readonly numberOfKeys?: number
}

const addJobLua = readFileSync(new URL('./add-job.lua', import.meta.url), 'utf8')
const parkAddedLua = readFileSync(new URL('./limits/park-added.lua', import.meta.url), 'utf8')

/** BullMQ's scripts that are wrapped: the names of their keys. Each takes three arguments more. */
const WRAPPED = {
  addStandardJob: ['wait', 'paused', 'meta', 'id', 'completed', 'delayed', 'active', 'events', 'marker'],
  addDelayedJob: ['marker', 'meta', 'id', 'delayed', 'completed', 'events'],
  addPrioritizedJob: ['marker', 'meta', 'id', 'prioritized', 'delayed', 'completed', 'active', 'events', 'pc'],
} as const
type Wrapped = keyof typeof WRAPPED

const commandOf = (script: Wrapped) => `drover:${script}`
/** The same for a job with a limit: with BullMQ's script, and with rules. */
const limitedCommandOf = (script: Wrapped, isRuled: boolean) => `drover:limited:${script}${isRuled ? ':ruled' : ''}`

/**
 * Makes this client know the wrapped scripts as soon as it knows BullMQ's. Call it before BullMQ sees the client.
 * @throws UnsupportedBullmqError when BullMQ defines one of them in a version or shape that is not known
 */
export function attachAddRules(client: Redis | Cluster): void {
  const define = client.defineCommand.bind(client)
  client.defineCommand = (name: string, definition: ScriptDefinition) => {
    define(name, definition)
    const [script = '', version = ''] = name.split(':')
    if (!Object.hasOwn(WRAPPED, script)) return
    checkShape(script as Wrapped, version, definition)
    const names = WRAPPED[script as Wrapped]
    const keys = names.map((key) => `bull .. '${key}'`).join(', ')
    const lua = fillTemplate(addJobLua, { BULLMQ_SCRIPT: definition.lua, BULLMQ_KEYS: keys })
    define(commandOf(script as Wrapped), { lua, numberOfKeys: 1 })
    for (const add of [definition.lua, lua]) {
      const limited = fillTemplate(parkAddedLua, { ADD: add, LIMITS: limitFunctionsLua })
      const numberOfKeys = add === lua ? 1 : names.length
      define(limitedCommandOf(script as Wrapped, add === lua), { lua: limited, numberOfKeys })
    }
  }
}

function checkShape(script: Wrapped, version: string, { lua, numberOfKeys }: ScriptDefinition): void {
  const usesThree = lua.includes('ARGV[3]') && !/ARGV\[([4-9]|\d\d)/.test(lua)
  if (version === BULLMQ_VERSION && numberOfKeys === WRAPPED[script].length && usesThree) return
  throw new UnsupportedBullmqError(
    script,
    `BullMQ ${BULLMQ_VERSION} with ${WRAPPED[script].length} keys and 3 arguments`,
    `BullMQ ${version || 'of unknown version'} with ${numberOfKeys ?? 0} keys`,
  )
}

interface NewEntry {
  readonly jobId: string
  readonly job: RuledJob
}

type AddArguments = Parameters<RedisQueueBackend['addJobToTransaction']>

/** BullMQ's backend for a producer, which adds jobs with rules by the wrapped scripts. */
export class AddBackend extends RedisQueueBackend {
  readonly #base: string

  constructor(keys: KeysOfQueue, ...backend: ConstructorParameters<typeof RedisQueueBackend>) {
    super(...backend)
    this.#base = keys.base
  }

  /**
   * Adds jobs, each in a step of its own, all sent before the first answer, and gives what their scripts answered. Without
   * BullMQ's pipeline, which leaves in one piece when its last job is ready: Redis adds the first jobs meanwhile.
   */
  async addAll(entries: readonly NewEntry[]): Promise<unknown[]> {
    // The clients of a cluster's nodes make a write of each command: there a pipeline is less work.
    if (entries.length > 1 && (await this.queue.client).isCluster) return this.addJobs([...entries])
    const answers = await Promise.allSettled(entries.map(({ job, jobId }) => this.addJob(job, jobId)))
    return answers.map((answer) => {
      if (answer.status === 'fulfilled') return answer.value
      // BullMQ makes errors of its scripts' codes; those of a pipeline it hands on.
      const { code } = answer.reason as { readonly code?: unknown }
      if (typeof code !== 'number') throw answer.reason
      return code
    })
  }

  /** Adds jobs with rules as `addAll`, and tells what became of each. */
  async addRuled(entries: readonly NewEntry[]): Promise<AddReply[]> {
    const replies = await this.addAll(entries)
    return replies.map((reply, index) => {
      const text = String(reply)
      const [kind = ''] = text.split(' ', 1)
      const word = text.slice(kind.length + 1)
      if (kind === 'full') return { kind, depth: Number(word) }
      if (kind === 'added' || kind === 'known' || kind === 'cached' || kind === 'conflict') return { kind, id: word }
      throw this.finishedErrors({ code: Number(reply), jobId: entries[index]?.jobId ?? '', command: 'addJob' })
    })
  }

  /** Jobs without rules go BullMQ's way; those with some by text alone, of which add-job.lua makes what BullMQ's script wants. */
  override addJobToTransaction(...call: AddArguments): Promise<string> {
    const [client, job, jobId = ''] = call
    const { rules } = job as RuledJob
    if (rules === undefined) return super.addJobToTransaction(...call)
    const script = scriptOf(job.opts)
    const words = [this.#wordsOf(job, jobId, rules), job.data, optionsText(job.opts), ...wordsOfTags(rules.tags)]
    return this.#run(client, script, job, jobId, [this.queue.keys.meta], words)
  }

  protected override addStandardJob(...call: Parameters<RedisQueueBackend['addStandardJob']>) {
    const [client, job, opts, args, keys] = call
    if (isPlain(job)) return super.addStandardJob(...call)
    return this.#addLimited('addStandardJob', client, this.addStandardJobArgs(job, opts, args, keys), job)
  }

  protected override addDelayedJob(...call: Parameters<RedisQueueBackend['addDelayedJob']>) {
    const [client, job, opts, args, keys] = call
    if (isPlain(job)) return super.addDelayedJob(...call)
    return this.#addLimited('addDelayedJob', client, this.addDelayedJobArgs(job, opts, args, keys), job)
  }

  protected override addPrioritizedJob(...call: Parameters<RedisQueueBackend['addPrioritizedJob']>) {
    const [client, job, opts, args, keys] = call
    if (isPlain(job)) return super.addPrioritizedJob(...call)
    return this.#addLimited('addPrioritizedJob', client, this.addPrioritizedJobArgs(job, opts, args, keys), job)
  }

  #addLimited(script: Wrapped, client: AddArguments[0], args: readonly unknown[], job: JobJson): Promise<string> {
    const { length } = WRAPPED[script]
    return this.#run(client, script, job, job.id, args.slice(0, length), args.slice(length))
  }

  #run(
    client: AddArguments[0],
    script: Wrapped,
    job: RuledJob,
    jobId: string,
    keys: readonly unknown[],
    words: readonly unknown[],
  ): Promise<string> {
    const limit = limitWords(job)
    if (limit === undefined) return client.runCommand(commandOf(script), [...keys, ...words]) as Promise<string>
    const limited = [...keys, ...limit, this.#base, this.queue.keys[''], jobId, ...words]
    return client.runCommand(limitedCommandOf(script, job.rules !== undefined), limited) as Promise<string>
  }

  #wordsOf({ name, timestamp, deduplicationId }: JobJson, jobId: string, { key, merge, maxDepth = 0 }: AddRules) {
    const { keys } = this.queue
    const ofKey = key ? `${key.record}\n${key.inputHash}\n${key.ttlMs}\n${key.lasts}` : '\n\n0\n'
    const mergeKey = deduplicationId === undefined ? '' : `${keys.de}:${deduplicationId}`
    const ofJob = `${keys['']}\n${jobId}\n${name}\n${timestamp}\n${mergeKey}`
    return `${this.#base}\n${ofKey}\n${merge ?? ''}\n${maxDepth}\n${ofJob}`
  }
}

/** The script that BullMQ itself would choose. */
function scriptOf({ delay = 0, priority = 0 }: JobJson['opts']): Wrapped {
  if (delay > 0) return 'addDelayedJob'
  return priority > 0 ? 'addPrioritizedJob' : 'addStandardJob'
}

/** Of the names that BullMQ shortens, this is the one that jobs of ours have. */
function optionsText({ deduplication, ...opts }: JobJson['opts']): string {
  return JSON.stringify(deduplication === undefined ? opts : { ...opts, de: deduplication })
}

function wordsOfTags(tags: readonly string[] = []): unknown[] {
  return tags.length === 0 ? [] : [TAG_TTL_MS, MAX_JOBS_OF_TAG, MAX_TAGS_OF_QUEUE, ...tags]
}

function isPlain(job: JobJson & RecordedJob): boolean {
  return (job.opts as StoredOptions).limit === undefined || job.isRecorded === true
}
