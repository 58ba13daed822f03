// How other commands find the Redis of a `drover dev` that runs beside them: a small file in its data directory.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseRedisUrl, type RedisSettings } from '../redis/index.js'

const FILE = 'dev.json'

export interface RunningDev {
  readonly pid: number
  readonly redis: RedisSettings
}

/** Leaves the address for other commands, and returns what takes it away again. */
export function announceDev(dataDir: string, redisUrl: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const file = join(dataDir, FILE)
  writeFileSync(file, JSON.stringify({ pid: process.pid, redis: redisUrl }), { mode: 0o600 })
  return () => rmSync(file, { force: true })
}

/** The `drover dev` that runs on this data directory; undefined when none does. */
export function findRunningDev(dataDir: string): RunningDev | undefined {
  try {
    const { pid, redis } = JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')) as { pid: number; redis: string }
    // Signal 0 only asks whether the process is there: one that was killed left its file behind.
    process.kill(pid, 0)
    return { pid, redis: parseRedisUrl(redis) }
  } catch {
    // No file, not ours, or of a process that has ended: then there is no running one.
    return undefined
  }
}
