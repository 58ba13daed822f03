// One cause of failures: since when and how often, what its jobs have in common, samples with their attempts, and running
// them again in stages or discarding them. What an operator may do is in take-errors.ts.
import { ErrorGroupNotFoundError, isQueueName } from '../../job/index.js'
import {
  type CommonField,
  commonFields,
  type DiscardRecord,
  type ErrorGroup,
  isGroupId,
  listDiscards,
  listReplays,
  newestOfGroup,
  type ReplayRecord,
  readErrorGroup,
  readFailedJob,
  readInputs,
} from '../../ledger/index.js'
import { queueKeys } from '../../redis/index.js'
import { chart } from '../chart.js'
import { untilConnected } from '../connection.js'
import { samplesSection } from '../errors/samples.js'
import { hoursUntil } from '../errors/trend-bars.js'
import { type Html, html } from '../html.js'
import { redactText } from '../redact.js'
import { showAgo, showNumber, showText } from '../show.js'
import type { Asked, Shown } from '../view.js'

const SAMPLES = 3
const COMPARED = 50
const WEEK_HOURS = 168
/** A longer input is not read for the page. */
const MAX_INPUT_BYTES = 65_536
const MAX_TEXT_LENGTH = 240

export async function errorGroupView(asked: Asked): Promise<Shown> {
  const { shared, base, params, nowMs } = asked
  const { client, prefix } = shared
  const { queue = '', group: id = '' } = params
  if (!isQueueName(queue) || !isGroupId(id)) throw new ErrorGroupNotFoundError(id, queue)
  const keys = queueKeys(prefix, queue)
  await untilConnected(client)
  const group = await readErrorGroup(client, keys, queue, id, nowMs)
  if (group === null) throw new ErrorGroupNotFoundError(id, queue)
  const [places, replays, discards] = await Promise.all([
    newestOfGroup(client, keys, id, COMPARED),
    listReplays(client, keys, queue),
    listDiscards(client, keys, queue),
  ])
  const ids = places.map((place) => place.id)
  const read = (job: string) => readFailedJob(client, keys, job, { maxInputBytes: MAX_INPUT_BYTES })
  const shown = (input: string) => redactText(shared.redact, 'input', input)
  const samples = (await Promise.all(ids.slice(0, SAMPLES).map(read))).flatMap((job) =>
    job === null ? [] : [{ ...job, input: job.input === null ? null : shown(job.input) }],
  )
  const common = commonFields((await readInputs(client, keys, ids)).map(shown))
  const isMine = ({ target }: { readonly target: string }) => target.includes(id)
  const title = id === 'other' ? 'Errors beyond the most groups of this queue' : `${group.name}: ${group.message}`
  const hours = hoursUntil(group.hours, nowMs, WEEK_HOURS)
  return {
    title: showText(title, 60),
    current: 'errors',
    main: html`<p class="crumbs"><a href="${base}/errors">Errors</a></p>
<h1 class="error">${showText(title, MAX_TEXT_LENGTH)}</h1>
${facts(base, group, nowMs)}
${asked.may('operator') && group.failed > 0 && actions(asked, group)}
${replaysSection(asked, replays.filter(isMine))}
${discardsSection(asked, discards.filter(isMine))}
<section class="card" aria-label="Failures per hour">${chart({
      id: 'failures',
      title: 'Failures per hour, 7 days',
      times: hours.map(({ at }) => at),
      series: [{ label: 'failures', values: hours.map(({ count }) => count), tone: 'bad', isBars: true }],
    })}</section>
${common.length > 0 && commonSection(common)}
${samplesSection(base, queue, samples, nowMs)}`,
  }
}

function facts(
  base: string,
  { queue, job, frame, count, failed, firstAt, lastAt, releases }: ErrorGroup,
  nowMs: number,
): Html {
  const versions = releases.map(({ release, count: times }) => `${release} (${showNumber(times)})`).join(', ')
  return html`<dl class="facts card">
<div><dt>failed now</dt><dd class="${failed === 0 ? 'zero' : 'bad'}">${showNumber(failed)}</dd></div>
<div><dt>times</dt><dd>${showNumber(count)}</dd></div>
<div><dt>first</dt><dd>${showAgo(firstAt, nowMs)}</dd></div>
<div><dt>last</dt><dd>${showAgo(lastAt, nowMs)}</dd></div>
<div><dt>job</dt><dd>${showText(job || '–', MAX_TEXT_LENGTH)}</dd></div>
<div><dt>queue</dt><dd><a href="${base}/errors?queue=${encodeURIComponent(queue)}">${showText(queue, MAX_TEXT_LENGTH)}</a></dd></div>
<div><dt>at</dt><dd><code>${showText(frame || '–', MAX_TEXT_LENGTH)}</code></dd></div>
<div><dt>releases</dt><dd>${showText(versions || '–', MAX_TEXT_LENGTH)}</dd></div>
</dl>`
}

function actions({ base }: Asked, { queue, id, failed }: ErrorGroup): Html {
  const path = `${base}/errors/${encodeURIComponent(queue)}/${id}`
  const all = showNumber(failed)
  return html`<section class="card actions" aria-label="What can be done">
<form method="post" action="${path}/retry">
<label>Run again <select name="stages">
<option value="1,10,rest">1, then 10, then the rest of ${all}</option>
<option value="1">1 job</option><option value="10">10 jobs</option><option value="rest">all ${all} at once</option>
</select></label>
<button type="submit">Retry</button>
<span class="muted">It stops when this error comes again.</span>
</form>
<form method="post" action="${path}/discard">
<button type="submit">Discard ${all}</button>
<span class="muted">Can be undone for 7 days.</span>
</form>
</section>`
}

export function replaysSection({ base, nowMs, may }: Asked, replays: readonly ReplayRecord[]): Html | false {
  if (replays.length === 0) return false
  return html`<section class="card" id="replays"><h2>Replays</h2><div class="scroll"><table>
<thead><tr><th scope="col">started</th><th scope="col">by</th><th scope="col">state</th><th scope="col">stage</th>
<th scope="col">progress</th><th scope="col" class="number">failed again</th><th scope="col"></th></tr></thead>
<tbody>${replays.map(({ id, queue, startedAt, by, state, stage, stages, total, retried, failed, ...replay }) => {
    // Counted a moment apart: one that failed again has ended.
    const ended = Math.max(replay.ended, failed)
    return html`<tr>
<th scope="row">${showAgo(startedAt, nowMs)}</th><td data-label="by">${showText(by, 60)}</td>
<td class="wide" data-label="state"><span class="badge ${BADGES[state] ?? 'paused'}">${STATES[state]}</span></td>
<td data-label="stage">${stage} of ${stages.length}</td>
<td class="wide" data-label="progress"><progress max="${Math.max(1, total)}" value="${ended}">${ended}</progress> ${showNumber(ended)} ended of ${showNumber(retried)} put back, ${showNumber(total)} found</td>
<td class="number${failed === 0 ? ' zero' : ' bad'}" data-label="failed again">${showNumber(failed)}</td>
<td>${
      state === 'running' &&
      may('operator') &&
      html`<form method="post" action="${base}/errors/${encodeURIComponent(queue)}/stop"><input type="hidden" name="replay" value="${id}"><button type="submit">Stop</button></form>`
    }</td></tr>`
  })}</tbody></table></div></section>`
}

const STATES: Readonly<Record<ReplayRecord['state'], string>> = {
  running: 'running',
  done: 'done',
  returned: 'the error came again',
  stopped: 'stopped',
  waited: 'a stage took too long',
  interrupted: 'interrupted',
}
const BADGES: Readonly<Record<string, string>> = { done: 'completed', returned: 'failed', interrupted: 'failed' }

export function discardsSection({ base, nowMs, may }: Asked, discards: readonly DiscardRecord[]): Html | false {
  if (discards.length === 0) return false
  return html`<section class="card" id="discards"><h2>Discards</h2><div class="scroll"><table>
<thead><tr><th scope="col">when</th><th scope="col">by</th><th scope="col" class="number">jobs</th>
<th scope="col" class="number">brought back</th><th scope="col"></th></tr></thead>
<tbody>${discards.map(
    ({ id, queue, at, by, count, restored }) => html`<tr>
<th scope="row">${showAgo(at, nowMs)}</th><td data-label="by">${showText(by, 60)}</td>
<td class="number" data-label="jobs">${showNumber(count)}</td><td class="number" data-label="brought back">${showNumber(restored)}</td>
<td>${
      restored < count &&
      may('operator') &&
      html`<form method="post" action="${base}/errors/${encodeURIComponent(queue)}/undo"><input type="hidden" name="discard" value="${id}"><button type="submit">Undo</button></form>`
    }</td></tr>`,
  )}</tbody></table></div></section>`
}

function commonSection(common: readonly CommonField[]): Html {
  return html`<section class="card" id="common"><h2>What the inputs have in common</h2><div class="scroll"><table>
<thead><tr><th scope="col">field</th><th scope="col">value</th><th scope="col" class="number">in</th></tr></thead>
<tbody>${common.map(
    ({ path, value, count, of }) => html`<tr><th scope="row"><code>${showText(path, 120)}</code></th>
<td class="wide" data-label="value"><code>${showText(value, 120)}</code></td>
<td class="number" data-label="in">${Math.round((100 * count) / of)} % (${count} of ${of})</td></tr>`,
  )}</tbody></table></div></section>`
}
