// The schedules of the overview's queues: when each ticks next, what it did, and the buttons that pause and resume one.
// Bounded: at most 500 are read, and queues of very many schedules are named and left out.
import type { Request, Response } from 'express'
import { isJobName, isQueueName, ScheduleNotFoundError } from '../../job/index.js'
import {
  listSchedules,
  pauseSchedule,
  readEachQueue,
  readSchedule,
  resumeSchedule,
  type ScheduleRecord,
} from '../../ledger/index.js'
import { queueKeys } from '../../redis/index.js'
import { audited } from '../access/audited.js'
import { untilConnected } from '../connection.js'
import { type Html, html } from '../html.js'
import { jobLink } from '../links.js'
import { MAX_QUEUES, readQueueNames } from '../overview-data.js'
import type { Page, Shared } from '../shared.js'
import { showDuration, showNext, showNumber, showText } from '../show.js'
import { cell, heads, numberCell, section, table } from '../table.js'
import type { Asked, Shown } from '../view.js'
import { visitOf } from '../visit.js'

const MAX_SCHEDULES = 500
const MAX_SCHEDULES_OF_QUEUE = 1_000
const MAX_NAME_LENGTH = 128

type ScheduleOfQueue = ScheduleRecord & { readonly queue: string }

export async function schedulesView({ shared, base, nowMs, may }: Asked): Promise<Shown> {
  const { schedules, more, leftOut } = await readSchedules(shared)
  return {
    title: 'Schedules',
    current: 'overview',
    main: html`<nav class="crumbs" aria-label="Where this is"><a href="${base}/">Overview</a></nav>
<h1>Schedules</h1>
${section('schedules', 'By queue and name', schedules.length === 0 ? empty() : rowsOf(base, schedules, nowMs, may('operator')))}
${more > 0 && html`<p class="notice">${showNumber(more)} more schedules are not shown: <code>drover schedules</code> lists them all.</p>`}
${leftOut.map(({ queue, why }) => html`<p class="notice">Queue ${showText(queue, 64)} is left out: ${showText(why, 400)}.</p>`)}
<p class="muted">A paused schedule gives no job and stays paused over deploys; resumed, it ticks from then on. What passed meanwhile is not made up for.</p>`,
  }
}

interface Read {
  readonly schedules: readonly ScheduleOfQueue[]
  /** Names that are not read, in queues that are not left out. */
  readonly more: number
  readonly leftOut: readonly { readonly queue: string; readonly why: string }[]
}

async function readSchedules({ client, prefix }: Shared): Promise<Read> {
  await untilConnected(client)
  const queues = (await readQueueNames(client, prefix)).slice(0, MAX_QUEUES)
  const keysOf = (queue: string) => queueKeys(prefix, queue)
  const counted = await readEachQueue(client, keysOf, queues, async (queue) => {
    return { queue, count: await client.zcard(keysOf(queue).schedules) }
  })
  const isLarge = ({ count }: { readonly count: number }) => count > MAX_SCHEDULES_OF_QUEUE
  const schedules: ScheduleOfQueue[] = []
  const unreadable = [...counted.unreadable]
  let room = MAX_SCHEDULES
  let more = 0
  // One after the other, so that there is never more asked of Redis than a page shows.
  for (const { queue, count } of counted.values.filter((each) => !isLarge(each))) {
    const most = Math.min(count, room)
    room -= most
    more += count - most
    if (most === 0) continue
    const read = await readEachQueue(client, keysOf, [queue], () => listSchedules(client, keysOf(queue), most))
    schedules.push(...read.values.flat().map((record) => ({ ...record, queue })))
    unreadable.push(...read.unreadable)
  }
  const large = counted.values.filter(isLarge)
  return {
    schedules,
    more,
    leftOut: [
      ...large.map(({ queue, count }) => ({ queue, why: `it has ${showNumber(count)} schedules` })),
      ...unreadable.map(({ queue, problem }) => ({ queue, why: problem })),
    ],
  }
}

function empty(): Html {
  return html`<p class="empty">No schedule. A worker's code sets one with <code>defineSchedule</code>.</p>`
}

function rowsOf(base: string, schedules: readonly ScheduleOfQueue[], nowMs: number, maySteer: boolean): Html {
  const columns = [['schedule'], ['queue'], ['job'], ['when'], ['next'], ['last job']] as const
  const counts = [
    ['jobs', true],
    ['not run', true],
  ] as const
  return table(
    heads([...columns, ...counts, ...(maySteer ? [['change'] as const] : [])]),
    schedules.map((schedule) => {
      const { queue, name, spec, paused, nextAt, lastId, fired, skipped, passed } = schedule
      const next = paused ? html`<span class="badge paused">paused</span>` : nextAt && showNext(nextAt, nowMs)
      const last = lastId && html`<a href="${jobLink(base, queue, lastId)}">${showText(lastId, MAX_NAME_LENGTH)}</a>`
      return html`<tr>
<th scope="row">${showText(name, MAX_NAME_LENGTH)}</th>
${cell('queue', queue)}${cell('job', showText(spec.job, MAX_NAME_LENGTH))}${cell('when', showText(whenOf(spec), 200), 'named')}
${cell('next', next || '–')}${cell('last job', last || '–', last ? 'id' : 'zero')}
${numberCell('jobs', fired)}${numberCell('not run', skipped + passed)}
${maySteer && cell('change', steerForm(base, schedule), 'steer')}</tr>`
    }),
  )
}

function whenOf({ times, overlap, missed }: ScheduleRecord['spec']): string {
  const when = times.kind === 'cron' ? `${times.cron} ${times.timezone}` : `every ${showDuration(times.everyMs)}`
  return `${when}, overlap ${overlap}, missed ${missed}`
}

function steerForm(base: string, { queue, name, paused }: ScheduleOfQueue): Html {
  const [action, label] = paused ? ['resume', 'Resume'] : ['pause', 'Pause']
  return html`<form method="post" action="${base}/schedules/${encodeURIComponent(queue)}/${encodeURIComponent(name)}/${action}"><button type="submit">${label}</button></form>`
}

/** The page that pauses or resumes a schedule, as `POST /schedules/<queue>/<schedule>/<action>`. @throws ScheduleNotFoundError */
export function steerSchedule(action: 'pause' | 'resume'): Page {
  return async (request: Request, response: Response, shared: Shared) => {
    const { queue = '', schedule: name = '' } = request.params as Record<string, string>
    await untilConnected(shared.client)
    const isName = isQueueName(queue) && isJobName(name)
    const keys = queueKeys(shared.prefix, isName ? queue : 'none')
    const record = isName ? await readSchedule(shared.client, keys, name) : undefined
    if (record === undefined) throw new ScheduleNotFoundError(name.slice(0, MAX_NAME_LENGTH), queue.slice(0, 64))
    await audited(shared, response, { action: `schedule.${action}`, target: `${queue}/${name}` }, async () => {
      const change =
        action === 'pause' ? pauseSchedule(shared.client, keys, name) : resumeSchedule(shared.client, keys, record)
      // Removed by somebody else meanwhile.
      if (!(await change)) throw new ScheduleNotFoundError(name, queue)
      return { count: 1 }
    })
    response.redirect(303, `${visitOf(response).base}/schedules`)
  }
}
