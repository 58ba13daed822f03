// What the scripts are told of a job that has a limit. limit-functions.lua says how they read it.
import type { JobJson } from 'bullmq'

/** `<spec> <ID>` and the job's place in line; undefined for a job without a limit. */
export function limitWords({ opts }: Pick<JobJson, 'opts'>): [limit: string, place: string] | undefined {
  const { limit, delay, priority = 0, lifo } = opts as LimitedOptions
  if (limit === undefined) return undefined
  return [limit, delay !== undefined && delay > 0 ? 'delayed' : lifo ? 'last' : String(priority)]
}

interface LimitedOptions {
  readonly limit?: string
  readonly delay?: number
  readonly priority?: number
  readonly lifo?: boolean
}
