// Runs a script as a Redis function (Redis 7): there its own Lua functions are set up once, where a script sets them up in
// each call. Where functions are not to be had, before Redis 7 or for a user without the right, the same text is a script.
import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'

/** A text that asks Redis nothing at its top level and ends with a local function `run(keys, args)`. */
export interface FunctionSource {
  /** Name of the command that a client gets; letters and digits. */
  readonly name: string
  readonly lua: string
}

/** The same as a script; in a function of its own, as it may have variables of these names. */
export const asScript = ({ lua }: FunctionSource): string =>
  `return (function()\n${lua}\nreturn run\nend)()(KEYS, ARGV)\n`

type Call = (...args: unknown[]) => Promise<unknown>
type Named = Record<string, Call>

/** Most loads that one call waits for: more than one when a server comes back empty, or another one takes over, meanwhile. */
const MAX_LOADS = 3

/**
 * Gives the client a command of the source's name. It takes the number of keys, the keys and further words, as one list.
 * The library is named after its text, so that releases that run side by side have one each; it is loaded with the first
 * call that misses it, on each master of a cluster.
 */
export function defineFunction(client: Redis | Cluster, source: FunctionSource): void {
  const script = asScript(source)
  const id = `drover_${source.name}_${createHash('sha1').update(source.lua).digest('hex').slice(0, 12)}`
  // allow-oom: as in a script whose first write frees memory, jobs end while Redis is full, so that it drains.
  const library = `#!lua name=${id}
${source.lua}
redis.register_function{function_name = '${id}', callback = run, flags = {'allow-oom'}}
`
  const named = client as unknown as Named
  const scriptName = `${source.name}Script`
  client.defineCommand(scriptName, { lua: script })
  let hasFunctions = true
  let loading: Promise<boolean> | undefined

  const load = () => {
    loading ??= loadLibrary(client, library)
      .catch((error: unknown) => {
        // What the server has against it, it will have again; want of memory or a lost connection pass.
        if (/^(ERR|NOPERM)\b/.test(textOf(error))) hasFunctions = false
        return false
      })
      .finally(() => {
        loading = undefined
      })
    return loading
  }

  // Before Redis 7, and at some hosts, the command is not there; a user may not have the right to it.
  named[source.name] = async (args: unknown, loads: unknown = 0) => {
    if (!hasFunctions) return named[scriptName]?.(args)
    try {
      return await named.fcall?.(id, args)
    } catch (error) {
      if (/^ERR unknown command|^(ERR|NOPERM)\b.*\bfcall\b/i.test(textOf(error))) hasFunctions = false
      else if (!/^ERR Function not found/i.test(textOf(error))) throw error
      else if (Number(loads) < MAX_LOADS && (await load())) return named[source.name]?.(args, Number(loads) + 1)
      return named[scriptName]?.(args)
    }
  }
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** True once one master at least has it; a call that meets another one misses it there. */
async function loadLibrary(client: Redis | Cluster, library: string): Promise<true> {
  const masters = 'nodes' in client ? client.nodes('master') : [client]
  await Promise.any(
    masters.map((master) =>
      master.function('LOAD', library).catch((error: unknown) => {
        if (!/^ERR Library .*already exists/i.test(textOf(error))) throw error
      }),
    ),
  ).catch(({ errors }: AggregateError) => {
    throw errors[0]
  })
  return true
}
