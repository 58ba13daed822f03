// `drover doctor`: looks for what could lose, delay or stop jobs on this Redis. It reads only.
import type { Command } from 'commander'
import { describeRedis, readServerInfo } from '../../redis/index.js'
import type { Finding } from '../doctor/finding.js'
import { findKeys } from '../doctor/key-findings.js'
import { findClockSkew, findServer } from '../doctor/server-findings.js'
import { EXIT_CODES } from '../exit-codes.js'
import type { Output } from '../output.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

export const doctor: Verb = {
  define(command: Command): void {
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
Checks the version, memory, eviction policy, persistence, cluster and clock of Redis, and the keys of Drover in it.
Exit code 1 when there is an error among the findings; warnings leave it 0.

Examples:
  $ drover doctor
  $ REDIS_URL=rediss://redis.internal drover doctor --json`,
    )
  },

  async run({ options, out }: VerbCall): Promise<number> {
    const settings = await readSettings(options)
    return withRedis(settings, async (client, redis) => {
      const server = [...findServer(await readServerInfo(client), redis), await findClockSkew(client)]
      // Keys of other nodes of a cluster cannot be read through one of them.
      const isReadable = !server.some(({ code }) => code === 'CLUSTER_URL_NEEDED')
      const findings = isReadable ? [...server, ...(await findKeys(client, settings.prefix))] : server
      show(out, describeRedis(redis), findings)
      return findings.some(({ level }) => level === 'error') ? EXIT_CODES.failed.code : EXIT_CODES.ok.code
    })
  },
}

const STYLE = { ok: 'green', warning: 'yellow', error: 'red' } as const

function show(out: Output, redis: string, findings: readonly Finding[]): void {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  const errors = count('error')
  const warnings = count('warning')
  if (out.json) {
    out.printJson({ redis, errors, warnings, findings })
    return
  }
  out.print(redis)
  for (const { level, code, evidence, remedy } of findings) {
    out.print(`${out.paint(STYLE[level], level.padEnd(7))}  ${code}: ${evidence}`)
    if (remedy !== undefined) out.print(`         remedy: ${remedy}`)
  }
  out.print(`${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`)
}
