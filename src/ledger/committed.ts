// What a job's completion wrote besides its result, in short. Every kept result has it, so only so much is named.
import type { StagedWrite } from './effects.js'
import type { StagedJob } from './staged-job.js'

/** What a completion wrote, by name as far as there is room; a page about the job shows it. */
export interface Committed {
  /** What was added to each counter. */
  readonly counters?: Readonly<Record<string, number>> | undefined
  /** How many staged writes there were of each command. */
  readonly writes?: Readonly<Record<string, number>> | undefined
  /** Jobs that entered their queues, as `queue/id`. */
  readonly jobs?: readonly string[] | undefined
  /** Keys of the staged writes. */
  readonly keys?: readonly string[] | undefined
  /** Counters and jobs without room for their names, and writes without room for their keys. */
  readonly more?: number | undefined
}

/** What a completion may write. */
export interface Written {
  readonly counters?: ReadonlyMap<string, number> | undefined
  readonly effects?: readonly StagedWrite[] | undefined
  readonly jobs?: readonly StagedJob[] | undefined
}

/** Most bytes of `committed`, so that a record is not larger by what its job wrote. */
export const MAX_COMMITTED_BYTES = 256
/** Left for names when the fields' own names and `more` are written. */
const NAMED_BYTES = MAX_COMMITTED_BYTES - '{"counters":{},"writes":{},"jobs":[],"keys":[],"more":1000000}'.length

/** The JSON of `Committed`. */
export function committedJson({ counters, effects, jobs }: Written): string {
  const room = { bytes: NAMED_BYTES }
  const fields: string[] = []
  let more = 0
  if (counters?.size) {
    const named: string[] = []
    for (const [name, step] of counters) if (!addName(named, room, name, step)) more++
    if (named.length > 0) fields.push(`"counters":{${named}}`)
  }
  const writes = effects?.length ? countCommands(effects, room) : []
  if (writes.length > 0) fields.push(`"writes":{${writes}}`)
  if (jobs?.length) {
    const named: string[] = []
    for (const { queue, jobId } of jobs) if (!addName(named, room, `${queue}/${jobId}`)) more++
    if (named.length > 0) fields.push(`"jobs":[${named}]`)
  }
  if (effects?.length) {
    const { named, left } = nameKeys(effects, room)
    more += left
    if (named.length > 0) fields.push(`"keys":[${named}]`)
  }
  if (more > 0) fields.push(`"more":${more}`)
  return `{${fields}}`
}

function countCommands(effects: readonly StagedWrite[], room: { bytes: number }): string[] {
  const counts = new Map<string, number>()
  for (const [command] of effects) counts.set(String(command), (counts.get(String(command)) ?? 0) + 1)
  const named: string[] = []
  for (const [command, count] of counts) addName(named, room, command, count)
  return named
}

function nameKeys(effects: readonly StagedWrite[], room: { bytes: number }) {
  const named: string[] = []
  const seen = new Map<string, boolean>()
  let left = 0
  for (const [, word] of effects) {
    const key = String(word)
    let isNamed = seen.get(key)
    if (isNamed === undefined) {
      isNamed = addName(named, room, key)
      seen.set(key, isNamed)
    }
    if (!isNamed) left++
  }
  return { named, left }
}

// A name is there whole or not at all: a part of it could be taken for another one.
function addName(named: string[], room: { bytes: number }, name: string, count?: number): boolean {
  if (name.length >= room.bytes) return false
  const text = count === undefined ? JSON.stringify(name) : `${JSON.stringify(name)}:${count}`
  const bytes = Buffer.byteLength(text) + 1
  if (bytes > room.bytes) return false
  room.bytes -= bytes
  named.push(text)
  return true
}
