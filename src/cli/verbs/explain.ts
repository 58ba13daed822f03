// `drover explain`: why a job does not run now, and when it may.
import type { Command } from 'commander'
import type { Explanation, Reason } from '../../ledger/index.js'
import { createProducer } from '../../producer/index.js'
import { checkQueueName } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { formatTable, type Output, printable } from '../output.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

export const explain: Verb = {
  define(command: Command): void {
    command.argument('<queue>', 'queue of the job').argument('<id>', 'id of the job, as `drover enqueue` printed it')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
Each line is one thing that holds the job, the first is what has to pass first. The expected start is a guess from the rate of
the last 5 minutes.

Examples:
  $ drover explain media order-17
  $ drover explain media order-17 --json | jq -r '.reasons[0].code'`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [queue = '', id = ''] = args
    checkQueueName(queue)
    const settings = await readSettings(options)
    const { prefix, durability, allowVolatile } = settings
    await using producer = createProducer({ redis: redisOf(settings), prefix, durability, allowVolatile })
    const explanation = await producer.jobs.explain({ queue, id })
    if (out.json) out.printJson(explanation)
    else show(out, explanation)
    return EXIT_CODES.ok.code
  },
}

function show(out: Output, { job, id, state, reasons, expectedStart }: Explanation): void {
  out.print(printable(`${job ?? 'job'} ${id} is ${state}`))
  out.print(formatTable(reasons.map(({ code, message }: Reason) => [`  ${code}`, message])))
  if (expectedStart !== null) out.print(`expected to start at ${new Date(expectedStart).toISOString()}`)
}
