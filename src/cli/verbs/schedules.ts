// `drover schedules`: the schedules of a Redis, and what a person does with one of them.
import type { Command } from 'commander'
import { suggest, UsageError } from '../../job/index.js'
import { listSchedules, readEachQueue, type ScheduleRecord, type UnreadableQueue } from '../../ledger/index.js'
import { createProducer, type Producer } from '../../producer/index.js'
import { checkQueueName, queueKeys, queuesKey } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { formatTable, type Output } from '../output.js'
import { noteUnreadable } from '../queue-table.js'
import { redisOf, withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const ACTIONS = ['list', 'next', 'pause', 'resume', 'run', 'remove'] as const
type Action = (typeof ACTIONS)[number]
type ScheduleOfQueue = ScheduleRecord & { readonly queue: string }

export const schedules: Verb = {
  define(command: Command): void {
    command
      .argument('[action]', `${ACTIONS.join(', ')} (default: list)`)
      .argument('[queue]', 'the queue; list: only its schedules')
      .argument('[name]', 'the schedule')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
next shows the next five runs; run enqueues its job now and leaves the schedule as it is; a paused schedule stays so over
deploys. One that a job file exports comes back with the next start of a worker after remove.

Examples:
  $ drover schedules
  $ drover schedules next reports nightly
  $ drover schedules pause reports nightly`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [action = 'list', queue, name] = args
    if (!isAction(action)) {
      const nearest = suggest(action, ACTIONS)
      const advice = nearest === undefined ? `expected one of ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
      throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
    }
    if (queue !== undefined) checkQueueName(queue)
    if (action === 'list' ? name !== undefined : queue === undefined || name === undefined) {
      throw new UsageError(
        action === 'list' ? 'list takes a queue at most' : `expected: schedules ${action} <queue> <name>`,
      )
    }
    const settings = await readSettings(options)
    const redis = redisOf(settings)
    if (action === 'list') {
      const { values, unreadable } = await withRedis(settings, async (client) => {
        const queues = queue === undefined ? (await client.smembers(queuesKey(settings.prefix))).sort() : [queue]
        const keysOf = (each: string) => queueKeys(settings.prefix, each)
        return readEachQueue(client, keysOf, queues, async (each) =>
          (await listSchedules(client, keysOf(each))).map((record) => ({ queue: each, ...record })),
        )
      })
      showList(out, values.flat(), unreadable)
      return unreadable.length === 0 ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
    }
    const { durability, allowVolatile } = settings
    await using producer = createProducer({ redis, prefix: settings.prefix, durability, allowVolatile })
    await act(action, producer, queue ?? '', name ?? '', out)
    return EXIT_CODES.ok.code
  },
}

async function act(
  action: Exclude<Action, 'list'>,
  { schedules: of }: Producer,
  queue: string,
  name: string,
  out: Output,
): Promise<void> {
  const told = { queue, name }
  if (action === 'next') {
    const times = (await of.next(queue, name)).map(showTime)
    if (out.json) out.printJson({ ...told, next: times })
    else out.print(times.join('\n'))
  } else if (action === 'run') {
    const { id } = await of.runNow(queue, name)
    if (out.json) out.printJson({ ...told, id })
    else out.print(id)
  } else {
    await of[action](queue, name)
    const done = { pause: 'paused', resume: 'resumed', remove: 'removed' }[action]
    if (out.json) out.printJson({ ...told, [done]: true })
    else out.print(`${done} ${name} of queue ${queue}`)
  }
}

function showList(out: Output, found: readonly ScheduleOfQueue[], unreadable: readonly UnreadableQueue[]): void {
  if (out.json) {
    const schedules = found.map(({ spec, ...record }) => ({
      ...record,
      job: spec.job,
      times: spec.times,
      missed: spec.missed,
      overlap: spec.overlap,
    }))
    out.printJson([...schedules, ...unreadable])
    return
  }
  noteUnreadable(out, unreadable)
  if (found.length === 0 && unreadable.length > 0) return
  if (found.length === 0) {
    out.note('no schedules: a job file may export defineSchedule(job, { name, cron, input })')
    return
  }
  const rows = found.map(({ queue, name, spec, nextAt, lastAt, fired, skipped, passed, paused }) => [
    queue,
    name,
    spec.job,
    showTimes(spec.times),
    paused ? 'paused' : showTime(nextAt),
    showTime(lastAt),
    fired,
    skipped + passed,
  ])
  out.print(formatTable([['QUEUE', 'NAME', 'JOB', 'WHEN', 'NEXT', 'LAST', 'FIRED', 'NOT RUN'], ...rows]))
}

function showTimes(times: ScheduleRecord['spec']['times']): string {
  return times.kind === 'cron' ? `${times.cron} ${times.timezone}` : `every ${times.everyMs} ms`
}

function showTime(ms: number | undefined): string {
  return ms === undefined ? '-' : new Date(ms).toISOString()
}

function isAction(action: string): action is Action {
  return (ACTIONS as readonly string[]).includes(action)
}
