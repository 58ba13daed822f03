// `drover doctor`: looks for what could lose, delay or stop jobs on this Redis. It reads only.
import type { Command } from 'commander'
import { type Finding, findClockSkew, judgeServer } from '../../ledger/index.js'
import { describeRedis, readServerInfo } from '../../redis/index.js'
import { findKeys } from '../doctor/key-findings.js'
import { findPackage } from '../doctor/package-findings.js'
import { findRecords } from '../doctor/record-findings.js'
import { EXIT_CODES } from '../exit-codes.js'
import { type Output, printable } from '../output.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

export const doctor: Verb = {
  define(command: Command): void {
    addSettings(command, [...REDIS_OPTIONS, 'durability'])
    command.addHelpText(
      'after',
      `
Checks the version, memory, eviction policy, persistence, replicas, cluster and clock of Redis; every queue for a missing
worker, a pause, jobs left behind and floods of failures; jobs, results, counters and stats for what cannot be read.
Exit code 1 when there is an error among the findings; warnings leave it 0.

Examples:
  $ drover doctor
  $ REDIS_URL=rediss://redis.internal drover doctor --json`,
    )
  },

  async run({ options, out }: VerbCall): Promise<number> {
    const settings = await readSettings(options)
    return withRedis(settings, async (client, redis) => {
      const info = await readServerInfo(client)
      const server = [
        ...judgeServer(info, redis, settings.durability),
        ...(await findPackage(info, redis)),
        await findClockSkew(client),
      ]
      // Keys of other nodes of a cluster cannot be read through one of them.
      const isReadable = !server.some(({ code }) => code === 'CLUSTER_URL_NEEDED')
      const { prefix } = settings
      const keys = isReadable ? [...(await findKeys(client, prefix)), ...(await findRecords(client, prefix))] : []
      const findings = [...server, ...keys]
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
    out.print(`${out.paint(STYLE[level], level.padEnd(7))}  ${code}: ${printable(evidence)}`)
    if (remedy !== undefined) out.print(printable(`         remedy: ${remedy}`))
  }
  out.print(`${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`)
}
