// `drover queues`: the queues of a Redis, and pausing and resuming one, or one job name in it.
import type { Command } from 'commander'
import { suggest, UsageError } from '../../job/index.js'
import type { QueueView, UnreadableQueue } from '../../ledger/index.js'
import { createProducer } from '../../producer/index.js'
import { checkQueueName } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { formatTable, type Output } from '../output.js'
import { noteUnreadable, QUEUE_HEADER, queueRow } from '../queue-table.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const ACTIONS = ['list', 'pause', 'resume'] as const
type Action = (typeof ACTIONS)[number]

export const queues: Verb = {
  define(command: Command): void {
    command
      .argument('[action]', `${ACTIONS.join(', ')} (default: list)`)
      .argument('[queue]', 'the queue; list: only this one')
      .option('--job <name>', 'pause, resume: only the jobs of this name')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
A paused queue starts no further job; those that run go on. With --job the jobs of other names go on; after resume those that
were put aside run first, in their order.

Examples:
  $ drover queues
  $ drover queues pause media
  $ drover queues pause mail --job newsletter.send
  $ drover queues resume mail --job newsletter.send`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [action = 'list', queue] = args
    if (!isAction(action)) {
      const nearest = suggest(action, ACTIONS)
      const advice = nearest === undefined ? `expected one of ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
      throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
    }
    const job = options.job === undefined ? undefined : String(options.job)
    if (action !== 'list' && queue === undefined) throw new UsageError(`expected: queues ${action} <queue>`)
    if (action === 'list' && job !== undefined) throw new UsageError('--job is for pause and resume')
    if (queue !== undefined) checkQueueName(queue)
    const settings = await readSettings(options)
    const { prefix, durability, allowVolatile } = settings
    await using producer = createProducer({ redis: redisOf(settings), prefix, durability, allowVolatile })
    if (action === 'list') {
      const unreadable: UnreadableQueue[] = []
      const onUnreadable = (each: UnreadableQueue) => unreadable.push(each)
      const queues = queue === undefined ? undefined : [queue]
      showList(out, await producer.queues.list({ queues, onUnreadable }), unreadable)
      return unreadable.length === 0 ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
    }
    await producer.queues[action](queue ?? '', { job })
    const done = action === 'pause' ? 'paused' : 'resumed'
    if (out.json) out.printJson({ queue, ...(job === undefined ? {} : { job }), [done]: true })
    else out.print(`${done} ${job === undefined ? '' : `job ${job} of `}queue ${queue}`)
    return EXIT_CODES.ok.code
  },
}

function showList(out: Output, found: readonly QueueView[], unreadable: readonly UnreadableQueue[]): void {
  if (out.json) {
    out.printJson([...found, ...unreadable])
    return
  }
  noteUnreadable(out, unreadable)
  if (found.length === 0 && unreadable.length > 0) return
  if (found.length === 0) out.note('no queues: the first enqueue makes one')
  else out.print(formatTable([QUEUE_HEADER, ...found.map(queueRow)]))
}

function isAction(action: string): action is Action {
  return (ACTIONS as readonly string[]).includes(action)
}
