// `drover verify`: recomputes totals, stats, counters, job sets and permits from what is kept, and reports what differs. It only
// reads, with SCAN, and can run beside workers.
import type { Command } from 'commander'
import { checkQueueName, describeRedis } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { type Output, printable } from '../output.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'
import { compare, type Difference, type Verdict } from '../verify/compare.js'
import { type Gathered, gather } from '../verify/gather.js'

export const verify: Verb = {
  define(command: Command): void {
    command
      .argument('[queue]', 'only this queue (default: all)')
      .option('--exact-counters', 'no other program changes counters: a difference is drift, too')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
Compares totals with the stats of minutes and hours, hours with their minutes, results with the stats of the minute they
finished in, job records with BullMQ's lists and sets, permits of limits with the jobs that run, and counters with their
history.
Exit code 1 when there is drift: what no correct run leaves. A counter that differs from its history leaves it 0, as any
program may change a counter, unless --exact-counters is given. What is older than what is kept is said, not guessed.

Examples:
  $ drover verify
  $ drover verify media --exact-counters --json`,
    )
  },

  async run({ args: [queue], options, out }: VerbCall): Promise<number> {
    if (queue !== undefined) checkQueueName(queue)
    const settings = await readSettings(options)
    return withRedis(settings, async (client, redis) => {
      const gathered = await gather(client, settings.prefix, queue)
      const verdict = compare(gathered)
      show(out, describeRedis(redis), gathered, verdict)
      const isDrift = ({ level }: Difference) => level === 'drift' || options.exactCounters === true
      return verdict.differences.some(isDrift) ? EXIT_CODES.failed.code : EXIT_CODES.ok.code
    })
  },
}

function show(out: Output, redis: string, { queues }: Gathered, { differences, unknown }: Verdict): void {
  const checked = queues.map(({ queue, kept }) => {
    return { queue, jobs: kept.jobCount, results: kept.resultCount, minutes: kept.minutes.size, hours: kept.hours.size }
  })
  if (out.json) {
    out.printJson({ redis, checked, differences, unknown })
    return
  }
  out.print(redis)
  for (const { queue, jobs, results, minutes, hours } of checked) {
    out.print(`queue ${queue}: ${jobs} jobs, ${results} results, stats of ${minutes} minutes and ${hours} hours`)
  }
  for (const { level, code, queue, job, counter, evidence } of differences) {
    const subject = [`queue ${queue}`, job && `job ${job}`, counter && `counter ${counter}`].filter(Boolean).join(', ')
    out.print(
      `${out.paint(level === 'drift' ? 'red' : 'yellow', level.padEnd(7))}  ${code} ${printable(`${subject}: ${evidence}`)}`,
    )
  }
  for (const what of unknown) out.print(`unknown  ${what}`)
  const count = (level: Difference['level']) => differences.filter((difference) => difference.level === level).length
  out.print(`${count('drift')} drift, ${count('outside')} from outside or drift, ${unknown.length} not known`)
}
