// `drover errors`: jobs that failed for good, by their errors: shown, run again in stages, discarded, brought back.
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { suggest, UsageError } from '../../job/index.js'
import type { ReplayRecord } from '../../ledger/index.js'
import { createProducer, type Producer } from '../../producer/index.js'
import { checkQueueName } from '../../redis/index.js'
import { addTargetOptions, readStages, readTarget, readTime } from '../errors/read-target.js'
import {
  progressLine,
  showCount,
  showDiscards,
  showGroup,
  showGroups,
  showPlan,
  showReplay,
  showReplays,
} from '../errors/show-errors.js'
import { EXIT_CODES } from '../exit-codes.js'
import { readWhole } from '../option-values.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import { interruptible } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

/** What each action takes behind its name, `?` for what may be left out. */
const ACTIONS = {
  list: ['queue?'],
  show: ['queue', 'group'],
  retry: ['queue', 'group?'],
  discard: ['queue', 'group?'],
  undo: ['queue', 'discard'],
  replays: ['queue'],
  discards: ['queue'],
  stop: ['queue', 'replay'],
} as const
type Action = keyof typeof ACTIONS
const NAMES = Object.keys(ACTIONS) as Action[]

interface Asked extends VerbCall {
  readonly queue: string
  readonly what: string | undefined
  readonly producer: Producer
}

export const errors: Verb = {
  define(command: Command): void {
    command
      .argument('[action]', `${NAMES.join(', ')} (default: list)`)
      .argument('[queue]', 'the queue; list: only its errors')
      .argument('[what]', 'the group; undo: the discard; stop: the replay')
    addTargetOptions(command)
    command
      .option('--stages <list>', 'retry: most jobs of each stage (default: 1,10,rest)')
      .option('--wait <duration>', 'retry: how long a stage waits for its jobs (default: 10m)')
      .option('--undo <duration>', 'discard: how long it can be undone (default: 7d)')
      .option('--dry-run', 'retry and discard: only say what would be done')
      .option('--limit <number>', 'list: most groups (default: 50); show: most jobs (default: 3)')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
retry runs one job, then ten, then the rest; each stage waits for the one before, and it stops when a job fails with the
error that it had. Interrupted, it leaves what it put back in the queue; the same command goes on with what is failed.
discard keeps jobs aside until its time for an undo is over. Exit code 1: a job failed again; 4: a stage took too long.

Examples:
  $ drover errors                                   groups of all queues, the one seen last first
  $ drover errors show mail 9f86d081884c7d65        jobs, inputs, attempts, what inputs have in common
  $ drover errors retry mail 9f86d081884c7d65 --dry-run
  $ drover errors retry mail --job newsletter --since 2h --stages 1,100,rest
  $ drover errors discard mail --tag import-7
  $ drover errors undo mail 60303ae22b998861`,
    )
  },

  async run(call: VerbCall): Promise<number> {
    const [action = 'list', queue, what] = call.args
    checkWords(action, queue, what)
    if (queue !== undefined) checkQueueName(queue)
    const settings = await readSettings(call.options)
    const { prefix, durability, allowVolatile } = settings
    await using producer = createProducer({ redis: redisOf(settings), prefix, durability, allowVolatile })
    const asked = { ...call, queue: queue ?? '', what, producer }
    // Awaited here: the producer closes when this function returns.
    if (action === 'retry') return await retry(asked)
    await OTHERS[action](asked)
    return EXIT_CODES.ok.code
  },
}

const OTHERS: Readonly<Record<Exclude<Action, 'retry'>, (asked: Asked) => Promise<void>>> = {
  async list({ producer, queue, options, out }) {
    const { job, since, limit = '50' } = options as Record<string, string | undefined>
    const { groups, next } = await producer.errors.list({
      ...(queue === '' ? {} : { queue }),
      ...(job === undefined ? {} : { job }),
      ...(since === undefined ? {} : { since: readTime('--since', since) }),
      limit: readWhole('--limit', limit) ?? 50,
    })
    if (out.json) out.printJson(groups)
    else showGroups(out, groups, next)
  },

  async show({ producer, queue, what = '', options, out }) {
    const details = await producer.errors.get(queue, what, { samples: readWhole('--limit', options.limit) ?? 3 })
    if (out.json) out.printJson(details)
    else showGroup(out, details)
  },

  async discard({ producer, queue, what, options, out }) {
    const target = readTarget(options, what)
    if (options.dryRun === true) {
      const { total, target: words, isPartial } = await producer.errors.plan(queue, target)
      const found = { target: words, total, ...(isPartial && { isPartial }) }
      if (out.json) out.printJson({ queue, ...found, dryRun: true })
      else out.print(`${showCount(found)} would be discarded`)
      return
    }
    const undo = options.undo === undefined ? {} : { undo: String(options.undo) as never }
    const record = await producer.errors.discard(queue, target, { ...undo, by: whoAsks() })
    if (out.json) out.printJson(record)
    else
      out.print(
        `discarded ${record.count} jobs; until ${new Date(record.undoUntil).toISOString()}: drover errors undo ${queue} ${record.id}`,
      )
  },

  async undo({ producer, queue, what = '', out }) {
    const outcome = await producer.errors.undo(queue, what)
    if (out.json) return out.printJson(outcome)
    out.print(`brought ${outcome.restored} jobs back`)
    if (outcome.taken > 0) out.note(`${outcome.taken} stay aside: their ids have been enqueued again`)
  },

  async replays({ producer, queue, out }) {
    const replays = await producer.errors.replays(queue)
    if (out.json) out.printJson(replays)
    else showReplays(out, replays)
  },

  async discards({ producer, queue, out }) {
    const discards = await producer.errors.discards(queue)
    if (out.json) out.printJson(discards)
    else showDiscards(out, discards)
  },

  async stop({ producer, queue, what = '', out }) {
    const record = await producer.errors.stop(queue, what)
    if (out.json) out.printJson(record)
    else showReplay(out, record)
  },
}

async function retry({ producer, queue, what, options, out }: Asked): Promise<number> {
  const target = readTarget(options, what)
  const stages = readStages(options.stages)
  const staging = {
    ...(stages === undefined ? {} : { stages }),
    ...(options.wait === undefined ? {} : { wait: String(options.wait) as never }),
  }
  if (options.dryRun === true) {
    const plan = await producer.errors.plan(queue, target, staging)
    if (out.json) out.printJson({ ...plan, dryRun: true })
    showPlan(out, plan)
    return EXIT_CODES.ok.code
  }
  let told = ''
  const onProgress = (record: ReplayRecord) => {
    const line = progressLine(record)
    if (line !== told) out.note(line)
    told = line
  }
  const record = await interruptible(
    () => 'what was put back stays in the queue, the rest is still failed; the same command goes on',
    async (signal) => {
      const ended = await producer.errors.retry(queue, target, { ...staging, by: whoAsks(), signal, onProgress })
      signal.throwIfAborted()
      return ended
    },
  )
  if (out.json) out.printJson(record)
  else showReplay(out, record)
  if (record.state === 'waited') return EXIT_CODES.timeout.code
  return record.state === 'done' && record.failed === 0 ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
}

function checkWords(action: string, queue: string | undefined, what: string | undefined): asserts action is Action {
  if (!isAction(action)) {
    const nearest = suggest(action, NAMES)
    const advice = nearest === undefined ? `expected one of ${NAMES.join(', ')}` : `did you mean ${nearest}?`
    throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
  }
  const [first, second]: readonly (string | undefined)[] = ACTIONS[action]
  const fits = (word: string | undefined, wanted: string | undefined) =>
    word === undefined ? wanted === undefined || wanted.endsWith('?') : wanted !== undefined
  if (fits(queue, first) && fits(what, second)) return
  const words = [first, second].map((word) => (word?.endsWith('?') ? `[${word.slice(0, -1)}]` : word && `<${word}>`))
  throw new UsageError(`expected: errors ${[action, ...words].filter(Boolean).join(' ')}`)
}

function isAction(action: string): action is Action {
  return Object.hasOwn(ACTIONS, action)
}

/** Who asks, for the record: the user of this machine, where it has a name. */
function whoAsks(): string {
  try {
    return `drover errors (${userInfo().username.slice(0, 60)})`
  } catch {
    // A container may run as a user without a name.
    return 'drover errors'
  }
}
