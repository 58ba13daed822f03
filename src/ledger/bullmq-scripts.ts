// Wraps BullMQ's finishing and retrying scripts as a client defines them, so that finishing a job and committing what
// it wrote are one script call. The scripts themselves are commit.lua and count-retried.lua.
import { readFileSync } from 'node:fs'
import type { Cluster, Redis } from 'ioredis'
import { UnsupportedBullmqError } from '../job/index.js'
import { asScript, defineFunction, type FunctionSource } from '../redis/index.js'
import { AddingScripts } from './adding-scripts.js'
import { fillTemplate } from './fill-template.js'
import { heldFunctionsLua, takeScript, withHeldField } from './held/held-names.js'
import { limitFunctionsLua } from './limits/limit-functions.js'
import { DELIVER_COMMAND, defineOutbox, deliverLua, putInOutboxLua } from './outbox/outbox.js'

/** The BullMQ release the kernel was written against; package.json pins the same one. */
export const BULLMQ_VERSION = '6.7.0'

/**
 * Name of the command that finishes and commits. It takes the number of keys first, and one key per job, where BullMQ's
 * takes 14: the script rebuilds them.
 */
export const COMMIT_COMMAND = 'droverCommit'

/** The same under the limits of a queue, which a queue without any does not pay for. */
export const LIMITED_COMMIT_COMMAND = 'droverCommitLimited'

/** Name of the command that enqueues the jobs of a due schedule, with two keys. */
export const FIRE_COMMAND = 'droverFireSchedule'

/** What each script of BullMQ that is wrapped or embedded must look like: its number of keys and the highest ARGV it reads. */
const EXPECTED = {
  addStandardJob: { keys: 9, args: 3 },
  addDelayedJob: { keys: 6, args: 3 },
  addPrioritizedJob: { keys: 9, args: 3 },
  moveToFinished: { keys: 14, args: 9 },
  moveToDelayed: { keys: 11, args: 9, jobKey: 5, fieldsArg: 7, skipArg: 6 },
  // It always counts an attempt: the argument beyond its last is nil.
  retryJob: { keys: 11, args: 6, jobKey: 4, fieldsArg: 6, skipArg: 7 },
  moveToActive: { keys: 11, args: 3 },
} as const

/** The line of BullMQ's moveToFinished where its functions end and its body begins. */
const BODY_STARTS_WITH = '\nlocal jobIdKey = KEYS[12]\n'

/** Where its functions learn how to ask Redis. */
const ASK = '\nlocal rcall = redis.call\n'

/** Where it unpacks its options, which several jobs of a call may share. */
const UNPACK = 'local opts = cmsgpack.unpack(ARGV[8])'
/** Where it reads fields of the job, and where it ends the mark of a failure to come. */
const MARK_READ = /(rcall\("HMGET", jobIdKey, "parentKey", "parent", "deid")\)/
const MARK_END = /if ARGV\[5\] == "failed" then(\s+rcall\("HDEL", jobIdKey, "defa"\))/

interface ScriptDefinition {
  readonly lua: string
  readonly numberOfKeys?: number
  readonly readOnly?: boolean
}

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const commitLua = read('./commit.lua')
const oncePerCallLua = read('./once-per-call.lua')
const checkEffectsLua = read('./check-effects.lua')
const countBatchLua = read('./batches/count-batch.lua')
const fireScheduleLua = read('./schedules/fire-schedule.lua')
const keepAttemptLua = read('./errors/keep-attempt.lua')
const recordErrorLua = read('./errors/record-error.lua')
const countRetriedLua = read('./count-retried.lua')
const finishJobLua = read('./limits/finish-job.lua')
const takeJobLua = read('./limits/take-job.lua')

/**
 * Makes every BullMQ script that this client defines from now on commit with the ledger. Call it on a worker's client
 * before BullMQ sees that client. BullMQ's own `moveToFinished` is not defined at all, so nothing can finish a job
 * around the ledger.
 * @throws UnsupportedBullmqError when BullMQ defines a script of a version or shape the kernel does not know.
 */
export function attachLedger(client: Redis | Cluster): void {
  const define = client.defineCommand.bind(client)
  const wrap = createScriptWrapper(client.isCluster ? 'SPUBLISH' : 'PUBLISH')
  defineOutbox(define)
  client.defineCommand = (name: string, definition: ScriptDefinition) => {
    for (const wrapped of wrap(name, definition)) {
      if (wrapped.source) defineFunction(client, wrapped.source)
      else define(wrapped.name, wrapped.definition)
    }
  }
}

export interface NamedScript {
  readonly name: string
  readonly definition: ScriptDefinition
  /** Of one that runs as a Redis function where it can. */
  readonly source?: FunctionSource
}

/**
 * Tells what to define in place of each script of BullMQ, given one by one. Ours embed the scripts that add jobs, which
 * BullMQ defines before the one that finishes them.
 */
export function createScriptWrapper(
  publish: 'PUBLISH' | 'SPUBLISH',
): (name: string, definition: ScriptDefinition) => NamedScript[] {
  const adding = new AddingScripts()
  return (name, definition) => {
    const [script = '', version = ''] = name.split(':')
    if (!isExpected(script)) return [{ name, definition }]
    checkShape(script, version, definition)
    if (script === 'moveToFinished') {
      const addStagedJob = adding.embed()
      return [...commitScripts(definition.lua, addStagedJob, publish), ...droverScripts(addStagedJob)]
    }
    if (script === 'moveToActive')
      return [{ name, definition: { ...definition, lua: takeScript(takeUnderLimits(definition.lua)) } }]
    if (script === 'moveToDelayed' || script === 'retryJob') return [retryScript(script, name, definition)]
    adding.set(script, definition.lua)
    return [{ name, definition }]
  }
}

/** Those that enqueue jobs beside a commit. */
function droverScripts(addStagedJob: string): NamedScript[] {
  const fire = fillTemplate(fireScheduleLua, { ADD_STAGED_JOB: addStagedJob })
  const deliver = fillTemplate(deliverLua, { ADD_STAGED_JOB: addStagedJob })
  return [
    { name: FIRE_COMMAND, definition: { lua: fire, numberOfKeys: 2 } },
    { name: DELIVER_COMMAND, definition: { lua: deliver, numberOfKeys: 1 } },
  ]
}

function commitScripts(finishing: string, addStagedJob: string, publish: string): NamedScript[] {
  const { functions, body } = splitScript(finishing)
  const luaOf = (underLimits: string) =>
    fillTemplate(commitLua, {
      BULLMQ_FUNCTIONS: askLater(withHeldField('moveToFinished', functions, 'metas')),
      ONCE_PER_CALL: oncePerCallLua,
      HELD_FUNCTIONS: heldFunctionsLua,
      BULLMQ_BODY: endMark(takeUnpacked(body)),
      UNDER_LIMITS: underLimits,
      ADD_STAGED_JOB: addStagedJob,
      PUT_IN_OUTBOX: putInOutboxLua,
      COUNT_BATCH: countBatchLua,
      CHECK_EFFECTS: checkEffectsLua,
      KEEP_ATTEMPT: keepAttemptLua,
      RECORD_ERROR: recordErrorLua,
      PUBLISH: publish,
    })
  return [
    functionScript(COMMIT_COMMAND, luaOf('')),
    functionScript(LIMITED_COMMIT_COMMAND, luaOf(limitFunctionsLua + finishJobLua)),
  ]
}

function functionScript(name: string, lua: string): NamedScript {
  const source = { name, lua }
  return { name, definition: { lua: asScript(source) }, source }
}

function takeUnderLimits(taking: string): string {
  return fillTemplate(takeJobLua, { BULLMQ_SCRIPT: taking, LIMITS: limitFunctionsLua })
}

function retryScript(script: 'moveToDelayed' | 'retryJob', name: string, definition: ScriptDefinition): NamedScript {
  const { fieldsArg, jobKey, skipArg } = EXPECTED[script]
  const lua = fillTemplate(countRetriedLua, {
    BULLMQ_SCRIPT: script === 'moveToDelayed' ? withHeldField(script, definition.lua) : definition.lua,
    HELD_FUNCTIONS: heldFunctionsLua,
    KEEP_ATTEMPT: keepAttemptLua,
    LIMITS: limitFunctionsLua,
    FREES: String(script === 'moveToDelayed'),
    FIELDS: String(fieldsArg),
    JOB: String(jobKey),
    SKIP: String(skipArg),
  })
  return { name, definition: { lua, numberOfKeys: EXPECTED[script].keys } }
}

function isExpected(script: string): script is keyof typeof EXPECTED {
  return Object.hasOwn(EXPECTED, script)
}

function checkShape(script: keyof typeof EXPECTED, version: string, definition: ScriptDefinition): void {
  const expected = EXPECTED[script]
  const highestArg = Math.max(0, ...Array.from(definition.lua.matchAll(/ARGV\[(\d+)\]/g), (match) => Number(match[1])))
  if (version === BULLMQ_VERSION && definition.numberOfKeys === expected.keys && highestArg === expected.args) return
  throw new UnsupportedBullmqError(
    script,
    `BullMQ ${BULLMQ_VERSION} with ${expected.keys} keys and ${expected.args} arguments`,
    `BullMQ ${version || 'of unknown version'} with ${definition.numberOfKeys ?? 0} keys and ${highestArg} arguments`,
  )
}

/** BullMQ's functions, whose way to ask Redis is there with a call only. */
function askLater(functions: string): string {
  const [before = '', after, ...more] = functions.split(ASK)
  if (after === undefined || more.length > 0) throw new UnsupportedBullmqError('moveToFinished', ASK.trim(), 'another')
  return `${before}\nlocal rcall\n${after}`
}

/** BullMQ's body, that takes its options as a table. */
function takeUnpacked(body: string): string {
  if (body.split(UNPACK).length !== 2) throw new UnsupportedBullmqError('moveToFinished', UNPACK, 'another unpacking')
  return body.replace(UNPACK, 'local opts = ARGV[8]')
}

/**
 * BullMQ's body, that ends the mark of a failure to come also of a job that completed before its worker saw the mark: a
 * manual retry of it would fail. The mark is read with what is read there anyway.
 */
function endMark(body: string): string {
  if (!MARK_READ.test(body) || !MARK_END.test(body)) {
    throw new UnsupportedBullmqError('moveToFinished', 'an end of the field defa', 'another one')
  }
  return body.replace(MARK_READ, '$1, "defa")').replace(MARK_END, 'if jobAttributes[4] then$1')
}

/**
 * Splits BullMQ's finishing script where its functions end and its body begins. The functions see no KEYS and no ARGV of
 * their own accord, so they can stand outside of `finish`, and are set up once: for all calls of a
 * Redis function, for all jobs of a call of a script.
 */
function splitScript(lua: string): { functions: string; body: string } {
  const at = lua.indexOf(BODY_STARTS_WITH)
  const functions = lua.slice(0, Math.max(0, at))
  const code = functions.replace(/--\[\[[\s\S]*?\]\]|--.*/g, '')
  if (at < 0 || lua.indexOf(BODY_STARTS_WITH, at + 1) >= 0 || /\b(KEYS|ARGV)\b/.test(code)) {
    throw new UnsupportedBullmqError(
      'moveToFinished',
      `a body that starts with "${BODY_STARTS_WITH.trim()}"`,
      'another one',
    )
  }
  return { functions, body: lua.slice(at) }
}
