// Many jobs of a queue at once, by job name, tag and state: unfinished ones cancelled, failed ones run again or discarded. The
// page first says how many they are; the button then does it. bulk-actions.ts is what it does.
import {
  CANCEL_STATES,
  type CancelState,
  checkTarget,
  countMatching,
  countTarget,
  type FailedTarget,
  type JobFilter,
  listDiscards,
  listReplays,
} from '../../ledger/index.js'
import { queueKeys, queuesKey } from '../../redis/index.js'
import { untilConnected } from '../connection.js'
import { type Html, html } from '../html.js'
import { JOB_RULE, oneOf, QUEUE_RULE, type QueryRules, TAG_RULE } from '../query-rules.js'
import type { Shared } from '../shared.js'
import { showNumber, showText } from '../show.js'
import type { Asked, Shown } from '../view.js'
import { discardsSection, replaysSection } from './error-group.js'

export const BULK_ACTIONS = ['cancel', 'retry', 'discard'] as const
export type BulkAction = (typeof BULK_ACTIONS)[number]

export const BULK_RULES: QueryRules = {
  do: oneOf(BULK_ACTIONS),
  queue: QUEUE_RULE,
  job: JOB_RULE,
  tag: TAG_RULE,
  state: oneOf(CANCEL_STATES),
}

/** Most jobs that one press of a button cancels. */
export const MAX_AT_ONCE = 10_000
/** Of more jobs than this, those that match a name or a tag are not counted before. */
const MAX_LOOKED_AT = 20_000

const WORDS: Readonly<Record<BulkAction, { readonly what: string; readonly of: string; readonly button: string }>> = {
  cancel: { what: 'Cancel unfinished jobs', of: 'unfinished', button: 'Cancel' },
  retry: { what: 'Run failed jobs again', of: 'failed', button: 'Retry' },
  discard: { what: 'Discard failed jobs', of: 'failed', button: 'Discard' },
}

export interface BulkFilter {
  readonly action: BulkAction
  readonly queue: string
  readonly job: string
  readonly tag: string
  readonly state: string
}

export async function bulkView(asked: Asked): Promise<Shown> {
  const { shared, base, query } = asked
  const of = (name: string) => query.get(name)?.trim() ?? ''
  const action = BULK_ACTIONS.find((each) => each === of('do')) ?? 'cancel'
  const filter: BulkFilter = { action, queue: of('queue'), job: of('job'), tag: of('tag'), state: of('state') }
  await untilConnected(shared.client)
  const names = await shared.jobNames.read()
  return {
    title: 'Many jobs at once',
    current: 'results',
    main: html`<nav class="crumbs" aria-label="Where this is"><a href="${base}/results">Results</a></nav>
<h1>Many jobs at once</h1>
${filterForm(base, filter, [...names.keys()])}
${filter.queue === '' ? html`<p class="muted">Choose a queue: the page then says how many jobs match, before anything is done.</p>` : await chosen(asked, filter)}`,
  }
}

/** Whether a producer or worker has used the queue. Of other names nothing is read and nothing kept. */
export async function isUsedQueue(
  { client, prefix }: Pick<Shared, 'client' | 'prefix'>,
  queue: string,
): Promise<boolean> {
  return (await client.sismember(queuesKey(prefix), queue)) === 1
}

async function chosen(asked: Asked, filter: BulkFilter): Promise<Html> {
  if (!(await isUsedQueue(asked.shared, filter.queue))) {
    return html`<p class="notice">There is no queue ${showText(filter.queue, 64)}.</p>`
  }
  const { client, prefix } = asked.shared
  const keys = queueKeys(prefix, filter.queue)
  const [count, replays, discards] = await Promise.all([
    countOf(asked.shared, filter),
    listReplays(client, keys, filter.queue),
    listDiscards(client, keys, filter.queue),
  ])
  return html`${actionForm(asked.base, filter, count)}${replaysSection(asked, replays)}${discardsSection(asked, discards)}`
}

interface Count {
  /** Undefined: there are too many to look at each. */
  readonly count: number | undefined
  /** Jobs of the queue in the states that are meant. */
  readonly of: number
}

async function countOf(shared: Shared, filter: BulkFilter): Promise<Count> {
  const { client, prefix } = shared
  const { bullBase } = queueKeys(prefix, filter.queue)
  const isWhole = filter.job === '' && filter.tag === ''
  const run = <Value>(command: () => Promise<Value>) => untilConnected(client).then(command)
  if (filter.action !== 'cancel') {
    const of = await client.zcard(`${bullBase}failed`)
    if (isWhole || of > MAX_LOOKED_AT) return { count: isWhole ? of : undefined, of }
    const { total } = await countTarget(shared.failedJobs.room(filter.queue), checkTarget(targetOf(filter)))
    return { count: total, of }
  }
  const jobs = jobsOf(filter)
  const sizes = await Promise.all(
    (jobs.states ?? CANCEL_STATES).map((state) =>
      state === 'waiting' || state === 'active'
        ? client.llen(bullBase + (state === 'waiting' ? 'wait' : state))
        : client.zcard(bullBase + state),
    ),
  )
  const of = sizes.reduce((sum, size) => sum + size, 0)
  if (isWhole || of > MAX_LOOKED_AT) return { count: isWhole ? of : undefined, of }
  const bounds = { run, limit: MAX_LOOKED_AT, maxRead: MAX_LOOKED_AT }
  const { matched, isPartial } = await countMatching(shared.rooms.cancelRoom(filter.queue), jobs, bounds)
  return { count: isPartial ? undefined : matched, of }
}

/** Which unfinished jobs are meant. */
export function jobsOf({ job, tag, state }: Omit<BulkFilter, 'action'>): JobFilter {
  return {
    ...(job !== '' && { job }),
    ...(tag !== '' && { tag }),
    ...(state !== '' && { states: [state as CancelState] }),
  }
}

/** Which failed jobs are meant. */
export function targetOf({ job, tag }: Pick<BulkFilter, 'job' | 'tag'>): FailedTarget {
  if (job === '' && tag === '') return { all: true }
  return { ...(job !== '' && { job }), ...(tag !== '' && { tag }) }
}

function filterForm(base: string, { action, queue, job, tag, state }: BulkFilter, queues: readonly string[]): Html {
  const option = (value: string, text: string, chosen: string) =>
    html`<option value="${value}"${value === chosen && html` selected`}>${text}</option>`
  return html`<form class="search" method="get" action="${base}/bulk" role="search">
<label>What<select name="do">${BULK_ACTIONS.map((each) => option(each, WORDS[each].what, action))}</select></label>
<label>Queue<select name="queue">${option('', 'choose', queue)}${queues.map((name) => option(name, name, queue))}</select></label>
<label>Job<input name="job" value="${job}" placeholder="all" maxlength="128"></label>
<label>Tag<input name="tag" value="${tag}" placeholder="any" maxlength="128"></label>
<label>State, of a cancel<select name="state">${option('', 'unfinished', state)}${CANCEL_STATES.map((each) => option(each, each, state))}</select></label>
<button type="submit">Count</button>
</form>`
}

function actionForm(base: string, filter: BulkFilter, { count, of }: Count): Html {
  const { action, queue, job, tag, state } = filter
  const { of: kind, button } = WORDS[action]
  const all = `${showNumber(of)} ${action === 'cancel' && state !== '' ? state : kind} jobs of queue ${showText(queue, 64)}`
  if (count === 0) return html`<p class="notice">None of the ${all} match.</p>`
  const many =
    count === undefined ? 'all that match' : showNumber(action === 'cancel' ? Math.min(count, MAX_AT_ONCE) : count)
  return html`<section class="card actions" aria-label="What can be done"><form method="post" action="${base}/bulk/${encodeURIComponent(queue)}">
<p>${count === undefined ? html`They are looked for among the ${all}: too many to count them here.` : count === of ? html`All ${all}.` : html`${showNumber(count)} of the ${all}.`}</p>
${[['do', action] as const, ['job', job] as const, ['tag', tag] as const, ['state', state] as const].map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
${
  action === 'retry' &&
  html`<label>Stages <select name="stages"><option value="1,10,rest">1, then 10, then the rest</option><option value="rest">all at once</option></select></label>`
}
<button type="submit" class="primary">${button} ${many}</button>
<span class="muted">${NOTES[action]}</span></form></section>`
}

const NOTES: Readonly<Record<BulkAction, string>> = {
  cancel: `They fail with CancelledError and do not come back; those that run are aborted. At most ${showNumber(MAX_AT_ONCE)} at once.`,
  retry: 'A stage begins when the one before it has ended. It stops when their error comes again.',
  discard: 'Can be undone for 7 days.',
}
