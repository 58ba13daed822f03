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
/** How long the script serves where a load failed for a reason that passes. */
const LOAD_AGAIN_MS = 5_000

/**
 * Gives the client a command of the source's name. It takes the number of keys, the keys and further words, as one list.
 * The library is named after its text, so that releases that run side by side have one each; it is loaded with the first
 * call that misses it, on each master of a cluster.
 */
export function defineFunction(client: Redis | Cluster, source: FunctionSource): void {
  // allow-oom: as in a script whose first write frees memory, jobs end while Redis is full, so that it drains.
  const libraryOf = (name: string) => `#!lua name=${name}
${source.lua}
redis.register_function{function_name = '${name}', callback = run, flags = {'allow-oom'}}
`
  const hash = createHash('sha1').update(libraryOf('')).digest('hex')
  const id = `drover_${source.name}_${hash.slice(0, 12)}`
  const named = client as unknown as Named
  const scriptName = `${source.name}Script`
  client.defineCommand(scriptName, { lua: asScript(source) })
  /** The script serves until then, by performance.now(). */
  let scriptUntilMs = 0
  let loading: Promise<boolean> | undefined
  // Behind a new connection there may be another server, or rights that were given meanwhile.
  client.on('ready', () => {
    scriptUntilMs = 0
  })

  const load = () => {
    loading ??= loadLibrary(client, libraryOf(id))
      .then(() => true)
      .catch((error: unknown) => {
        // What the server has against it, it will have again; want of memory passes.
        const isLasting = /^(ERR|NOPERM)\b/.test(textOf(error))
        scriptUntilMs = isLasting ? Number.POSITIVE_INFINITY : performance.now() + LOAD_AGAIN_MS
        return false
      })
      .finally(() => {
        loading = undefined
      })
    return loading
  }

  // Before Redis 7, and at some hosts, the command is not there; a user may not have the right to it.
  named[source.name] = async (args: unknown, loads: unknown = 0) => {
    if (scriptUntilMs > 0 && performance.now() < scriptUntilMs) return named[scriptName]?.(args)
    try {
      return await named.fcall?.(id, args)
    } catch (error) {
      if (/^ERR unknown command|^(ERR|NOPERM)\b.*\bfcall\b/i.test(textOf(error)))
        scriptUntilMs = Number.POSITIVE_INFINITY
      else if (!/^ERR Function not found/i.test(textOf(error))) throw error
      else if (Number(loads) === MAX_LOADS) scriptUntilMs = performance.now() + LOAD_AGAIN_MS
      else if (await load()) return named[source.name]?.(args, Number(loads) + 1)
      return named[scriptName]?.(args)
    }
  }
}

const textOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/** Resolves once one master at least has it; a call that meets another one misses it there. */
async function loadLibrary(client: Redis | Cluster, library: string): Promise<void> {
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
}
