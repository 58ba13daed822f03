// `drover jobs`: what a person does with one job.
import type { Command } from 'commander'
import { suggest, UsageError } from '../../job/index.js'
import { createProducer } from '../../producer/index.js'
import { checkQueueName } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const ACTIONS = ['cancel']

export const jobs: Verb = {
  define(command: Command): void {
    command
      .argument('<action>', ACTIONS.join(', '))
      .argument('<queue>', 'the queue of the job')
      .argument('<id>', 'the job')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
A job that waits fails at once with CancelledError. One that runs is aborted by its worker within about a second, wherever it
runs; drover result tells how it ended.

Examples:
  $ drover jobs cancel media order-17`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [action = '', queue = '', id = ''] = args
    if (!ACTIONS.includes(action)) {
      const nearest = suggest(action, ACTIONS)
      const advice = nearest === undefined ? `expected ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
      throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
    }
    checkQueueName(queue)
    const settings = await readSettings(options)
    const { prefix, durability, allowVolatile } = settings
    await using producer = createProducer({ redis: redisOf(settings), prefix, durability, allowVolatile })
    const outcome = await producer.jobs.cancel({ queue, id })
    if (out.json) out.printJson({ queue, id, outcome })
    else out.print(outcome === 'cancelled' ? `cancelled ${id}` : `${id} runs: its worker was told to abort it`)
    return EXIT_CODES.ok.code
  },
}
