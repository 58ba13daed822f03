// What Redis itself wrote down about results and effects, read from append-only files: how often each result key was
// written, and whether each job's finish, result and effects were one step. None of it is asked of Drover's code.
import type { KeysOfQueue } from '../../src/redis/index.js'
import { type AtomicStep, eachStep } from '../support/append-only-file.js'

export interface AofFacts {
  /** How often each job's result key was written, by id. */
  readonly resultWrites: ReadonlyMap<string, number>
  /** Ids whose finish, result or effect stood in a step without the two others. */
  readonly split: ReadonlySet<string>
}

/** Commands on a key that are no write of a value. */
const NOT_WRITES = new Set(['DEL', 'UNLINK', 'EXPIRE', 'PEXPIRE', 'PEXPIREAT', 'EXPIREAT', 'PERSIST'])

/** Reads the files of these servers. A server whose files were rewritten has lost what was before, so do not let it. */
export function readAofFacts(
  servers: readonly { readonly directory: string }[],
  keys: KeysOfQueue,
  hitsKey: string,
): AofFacts {
  const resultWrites = new Map<string, number>()
  const split = new Set<string>()
  const resultBase = keys.result('')
  const finished = [`${keys.bullBase}completed`, `${keys.bullBase}failed`] as const
  for (const server of servers) {
    for (const step of eachStep(server)) {
      const seen = readStep(step, { resultBase, finished, hitsKey })
      for (const id of seen.results) resultWrites.set(id, (resultWrites.get(id) ?? 0) + 1)
      for (const id of new Set([...seen.results, ...seen.completed, ...seen.failed, ...seen.hits])) {
        const isWhole = seen.results.includes(id) && (seen.hits.has(id) ? seen.completed.has(id) : true)
        const isFinish = seen.completed.has(id) || seen.failed.has(id)
        if (!isWhole || !isFinish || (seen.completed.has(id) && !seen.hits.has(id))) split.add(id)
      }
    }
  }
  return { resultWrites, split }
}

function readStep(
  step: AtomicStep,
  names: { resultBase: string; finished: readonly [string, string]; hitsKey: string },
) {
  const results: string[] = []
  const [completed, failed, hits] = [new Set<string>(), new Set<string>(), new Set<string>()]
  for (const [name = '', key = '', ...words] of step) {
    if (key.startsWith(names.resultBase)) {
      if (!NOT_WRITES.has(name.toUpperCase())) results.push(key.slice(names.resultBase.length))
    } else if (key === names.hitsKey && words[0] !== undefined) hits.add(words[0])
    else if (name.toUpperCase() === 'ZADD' && words[1] !== undefined) {
      if (key === names.finished[0]) completed.add(words[1])
      if (key === names.finished[1]) failed.add(words[1])
    }
  }
  return { results, completed, failed, hits }
}
