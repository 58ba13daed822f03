// What `drover doctor` says about the package of a server on this machine: all of Debian 12's call themselves 7.0.15, with
// security fixes or without.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Finding } from '../../ledger/index.js'
import type { RedisSettings, ServerInfo } from '../../redis/index.js'

const VERSION = '7.0.15'
/** The revision of Debian 12's package with the security fixes known when this was written. */
const LEAST_REVISION = 10
const LOOPBACK = ['127.0.0.1', '::1', 'localhost']
const TIMEOUT_MS = 2_000

/** Nothing for any other server, and where there is no dpkg. */
export async function findPackage(info: ServerInfo, redis: RedisSettings): Promise<Finding[]> {
  const isLocal = redis.kind === 'single' && (redis.path !== undefined || LOOPBACK.includes(redis.host))
  if (info.version !== VERSION || !isLocal) return []
  return judgePackage(await readPackage())
}

export function judgePackage(version: string): Finding[] {
  const revision = /^5:7\.0\.15-1~deb12u(\d+)$/.exec(version)?.[1]
  if (revision === undefined || Number(revision) >= LEAST_REVISION) return []
  return [
    {
      level: 'warning',
      code: 'PACKAGE_OUTDATED',
      evidence: `the package redis-server is ${version}, which lacks security fixes of 5:7.0.15-1~deb12u${LEAST_REVISION}`,
      remedy: 'sudo apt-get update && sudo apt-get install --only-upgrade redis-server, then restart Redis',
    },
  ]
}

async function readPackage(): Promise<string> {
  try {
    const words = ['-W', '-f', '$' + '{Version}', 'redis-server']
    return (await promisify(execFile)('dpkg-query', words, { timeout: TIMEOUT_MS })).stdout.trim()
  } catch {
    // Not Debian, or Redis is not from a package.
    return ''
  }
}
