// `drover autoscale`: how many workers a pool should have, and why. It changes nothing.
import type { Command } from 'commander'
import { ConfigError, formatDuration, QueueNotFoundError, suggest } from '../../job/index.js'
import { type Autoscale, askAutoscale, readAutoscaleRules } from '../../ledger/index.js'
import { queuesKey } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { formatTable, type Output } from '../output.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

export const autoscale: Verb = {
  define(command: Command): void {
    addSettings(command, [...REDIS_OPTIONS, 'queues', 'waitTarget', 'minWorkers', 'maxWorkers', 'scaleDown'])
    command.addHelpText(
      'after',
      `
A pool is the queues that one worker serves together. Where its workers run with --wait-target they keep the past for this
command too; else each call knows the present alone, and never says less than there are workers.

Examples:
  $ drover autoscale --queues media,mail --wait-target 30s --max-workers 20
  $ drover autoscale --json | jq .desired`,
    )
  },

  async run({ options, out }: VerbCall): Promise<number> {
    const settings = await readSettings(options)
    const rules = readAutoscaleRules(settings.autoscale)
    return withRedis(settings, async (client) => {
      const known = await client.smembers(queuesKey(settings.prefix))
      const named = Object.keys(settings.queues)
      for (const name of named) {
        if (!known.includes(name)) throw new QueueNotFoundError(name, settings.prefix, suggest(name, known))
      }
      const queues = named.length > 0 ? named : known
      if (queues.length === 0) throw new ConfigError(['no queue is known: name those of the pool with --queues'])
      const answer = await askAutoscale(client, { prefix: settings.prefix, queues, rules, keeps: 'nothing' })
      show(out, answer)
      return EXIT_CODES.ok.code
    })
  },
}

function show(out: Output, { queues, workers, desired, wanted }: Autoscale): void {
  if (out.json) {
    out.printJson({ desired, wanted, workers, queues })
    return
  }
  out.print(`workers wanted: ${desired}, there: ${workers} (the moment alone asks for ${wanted})`)
  const rows = queues.map(({ queue, backlog, due, active, concurrency, runMs }) => {
    return [queue, backlog, due, active, Math.round(concurrency), formatDuration(Math.round(runMs))]
  })
  out.print(formatTable([['queue', 'waiting', 'due', 'active', 'concurrency', 'mean run'], ...rows]))
}
