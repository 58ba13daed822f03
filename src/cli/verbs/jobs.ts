// `drover jobs`: what a person does with one job, or with all that match.
import type { Command } from 'commander'
import { suggest, UsageError } from '../../job/index.js'
import { CANCEL_STATES, type CancelState } from '../../ledger/index.js'
import { type CancelFilter, createProducer, type Producer } from '../../producer/index.js'
import { checkQueueName } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import type { Output } from '../output.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const ACTIONS = ['cancel']
const FILTERS = ['job', 'tag', 'state', 'dryRun', 'yes'] as const

interface Many {
  readonly filter: CancelFilter
  readonly dryRun: boolean
}

export const jobs: Verb = {
  define(command: Command): void {
    command
      .argument('<action>', ACTIONS.join(', '))
      .argument('[queue]', 'the queue of the job')
      .argument('[id]', 'the job')
      .option('--queue <name>', 'instead of queue and id: all jobs of this queue that match')
      .option('--job <name>', 'only those of this job name')
      .option('--tag <tag>', 'only those with this tag')
      .option('--state <states>', `only those in these states, divided by commas: ${CANCEL_STATES.join(', ')}`)
      .option('--dry-run', 'only count those that match')
      .option('--yes', 'cancel all that match')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
A job that waits fails at once with CancelledError. One that runs is aborted by its worker within about a second, wherever it
runs; drover result tells how it ended. A cancel of many that was interrupted goes on when it is given again.
The state waiting-children has jobs that stand in the line of their limit's key, too.

Examples:
  $ drover jobs cancel media order-17
  $ drover jobs cancel --queue media --job image.resize --state waiting,delayed --dry-run
  $ drover jobs cancel --queue media --tag import-7 --yes`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [action = '', queue, id] = args
    if (!ACTIONS.includes(action)) {
      const nearest = suggest(action, ACTIONS)
      const advice = nearest === undefined ? `expected ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
      throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
    }
    const many = readMany(options, queue)
    if (many === undefined && (queue === undefined || id === undefined)) {
      throw new UsageError('expected: jobs cancel <queue> <id>, or --queue <name> for all jobs of it that match')
    }
    checkQueueName(many?.filter.queue ?? queue ?? '')
    const settings = await readSettings(options)
    const { prefix, durability, allowVolatile } = settings
    await using producer = createProducer({ redis: redisOf(settings), prefix, durability, allowVolatile })
    if (many) await cancelMany(producer, many, out)
    else await cancelOne(producer, { queue: queue ?? '', id: id ?? '' }, out)
    return EXIT_CODES.ok.code
  },
}

function readMany(options: VerbCall['options'], queueArgument: string | undefined): Many | undefined {
  const {
    queue,
    job,
    tag,
    state,
    dryRun = false,
    yes = false,
  } = options as Record<string, string | boolean | undefined>
  if (queue === undefined) {
    const given = FILTERS.find((name) => options[name] !== undefined)
    if (given === undefined) return undefined
    const flag = given === 'dryRun' ? 'dry-run' : given
    throw new UsageError(`--${flag} is for all jobs that match, of the queue of --queue`)
  }
  if (queueArgument !== undefined) throw new UsageError('one job is given as <queue> <id>, many with --queue: not both')
  if (dryRun === yes) {
    throw new UsageError(
      dryRun ? '--dry-run or --yes, not both' : '--yes cancels all jobs that match, --dry-run counts them',
    )
  }
  const filter = {
    queue: String(queue),
    ...(job === undefined ? {} : { job: String(job) }),
    ...(tag === undefined ? {} : { tag: String(tag) }),
    ...(state === undefined ? {} : { states: String(state).split(',') as CancelState[] }),
  }
  return { filter, dryRun: dryRun === true }
}

async function cancelOne(producer: Producer, job: { readonly queue: string; readonly id: string }, out: Output) {
  const outcome = await producer.jobs.cancel(job)
  if (out.json) out.printJson({ ...job, outcome })
  else out.print(outcome === 'cancelled' ? `cancelled ${job.id}` : `${job.id} runs: its worker was told to abort it`)
}

async function cancelMany(producer: Producer, { filter, dryRun }: Many, out: Output) {
  const counts = await producer.jobs.cancelMany(filter, { dryRun })
  if (out.json) return out.printJson({ queue: filter.queue, dryRun, ...counts })
  const { matched, cancelled, cancelling, ended, refused } = counts
  if (dryRun) return out.print(`${matched} jobs match`)
  out.print(`cancelled ${cancelled} jobs`)
  if (cancelling > 0) out.print(`${cancelling} more run: their workers were told to abort them`)
  if (ended > 0) out.print(`${ended} more had ended by then`)
  if (refused > 0)
    out.print(`${refused} more were left as they are: Redis refused, or BullMQ's own schedule needs them`)
}
