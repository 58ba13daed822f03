// Parts of a job's page beside input and result: the facts, its attempts, what it committed, its Redis keys, and how a
// program reaches it.
import type { CompletedResult } from '../../ledger/index.js'
import type { RedisSettings } from '../../redis/index.js'
import { copyableCommand, copyButton } from '../copy-button.js'
import { type Html, type HtmlValue, html } from '../html.js'
import type { JobDetails } from '../jobs/read-job.js'
import { redisCli } from '../redis-cli.js'
import type { Shared } from '../shared.js'
import { showAgo, showBytes, showDuration, showNext, showNumber, showText, showUtc } from '../show.js'

const MAX_TAGS = 20
const MAX_CURL_INPUT = 4_096
const MAX_ERROR_LENGTH = 300
const MINUTE_MS = 60_000

export function facts(job: JobDetails, { shared, nowMs }: { readonly shared: Shared; readonly nowMs: number }): Html {
  const { result, options, startedAt, enqueuedAt, delayMs, finishedAt, resultTtlMs } = job
  const waitMs = result?.waitMs ?? (startedAt !== null && enqueuedAt !== null ? startedAt - enqueuedAt - delayMs : null)
  const runMs = result?.runMs ?? (startedAt !== null && finishedAt !== null ? finishedAt - startedAt : null)
  const most = typeof options.attempts === 'number' && options.attempts > 0 ? ` of ${options.attempts}` : ''
  const tags = Array.isArray(options.tags)
    ? options.tags.slice(0, MAX_TAGS).map((tag) => showText(String(tag), 60))
    : []
  const rows: readonly (readonly [string, HtmlValue])[] = [
    ['enqueued', enqueuedAt !== null && showAgo(enqueuedAt, nowMs)],
    ['wait', waitMs !== null && showDuration(Math.max(0, waitMs))],
    ['run', runMs !== null && showDuration(Math.max(0, runMs))],
    ['attempts', `${showNumber(Math.max(job.attempts, job.attemptsStarted))}${most}`],
    ['stalled', job.stalls > 0 && showNumber(job.stalls)],
    ['priority', job.priority > 0 && showNumber(job.priority)],
    ['key', typeof options.key === 'string' && html`<code>${showText(options.key, 120)}</code>`],
    ['tags', tags.length > 0 && tags.map((tag) => html`<span class="tag">${tag}</span> `)],
    ['batch', typeof options.batch === 'string' && html`<code>${showText(options.batch, 128)}</code>`],
    ['result kept until', resultTtlMs !== null && keptUntil(nowMs + resultTtlMs, nowMs)],
    ['trace', traceLink(shared.traceUrl, job)],
  ]
  const shown = rows.filter(([, value]) => value !== false && value !== undefined && value !== null)
  return html`<dl class="job-facts">${shown.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

// To the minute: the milliseconds that Redis gives would be others at each look, and open tabs be sent the page each time.
function keptUntil(atMs: number, nowMs: number): Html {
  const minute = Math.round(atMs / MINUTE_MS) * MINUTE_MS
  return html`${showUtc(minute).slice(0, 16)} UTC <span class="muted">${minute > nowMs ? showNext(minute, nowMs) : 'soon over'}</span>`
}

/** The place of the job's trace, where a template of it is given and holds nothing that is not known of this job. */
function traceLink(template: string | undefined, { id, options }: JobDetails): Html | undefined {
  if (template === undefined) return undefined
  const { telemetry, tm } = options as { telemetry?: { metadata?: unknown }; tm?: unknown }
  const traceId = /\b00-([0-9a-f]{32})-[0-9a-f]{16}-/.exec(String(telemetry?.metadata ?? tm ?? ''))?.[1]
  if (template.includes('{traceId}') && traceId === undefined) return undefined
  const url = template.replaceAll('{traceId}', traceId ?? '').replaceAll('{jobId}', encodeURIComponent(id))
  return html`<a href="${url}" rel="noreferrer">${traceId?.slice(0, 8) ?? 'open'} ↗</a>`
}

/** The attempts that failed, each with its error, its worker and how long it ran. */
export function attemptsSection({ failedAttempts }: JobDetails, nowMs: number): Html | undefined {
  if (failedAttempts.length === 0) return undefined
  return html`<section class="card" id="attempts"><h2>Failed attempts</h2><ol class="timeline">${failedAttempts.map(
    (each) => {
      const { attempt, startedAt, endedAt, name = 'Error', message = '', worker, release } = each
      const ranMs = isTime(startedAt) && isTime(endedAt) ? Math.max(0, endedAt - startedAt) : null
      const by = [worker, release].filter((text) => typeof text === 'string' && text !== '')
      return html`<li class="failed"><b>attempt ${showNumber(Number(attempt))}</b> ${isTime(endedAt) && showAgo(endedAt, nowMs)}
<span class="muted">ran ${showDuration(ranMs)}${by.length > 0 && ` on ${showText(by.join(', release '), 160)}`}</span>
<div><code>${showText(`${name}: ${message}`, MAX_ERROR_LENGTH)}</code></div></li>`
    },
  )}</ol></section>`
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

/** What entered Redis with the job's completion. */
export function committedSection({ id, keys: ofQueue, result }: JobDetails): Html | undefined {
  if (result?.status !== 'completed' || result.committed === undefined) return undefined
  const { counters = {}, jobs = [], more = 0 } = result.committed
  const { writes, keys } = withoutOwn(result.committed, ofQueue.bullBase + id)
  const rows = [
    ...Object.entries(counters).map(
      ([name, delta]) => [`counter ${name}`, delta < 0 ? showNumber(delta) : `+${showNumber(delta)}`] as const,
    ),
    ...Object.entries(writes).map(([command, count]) => [command, `${showNumber(count)} written`] as const),
    ...keys.map((key) => [`key ${key}`, 'written'] as const),
    ...jobs.map((id) => [`job ${id}`, 'enqueued'] as const),
  ]
  if (rows.length === 0 && more === 0) return undefined
  return html`<section class="card" id="committed"><h2>Committed with the completion</h2>
<table><tbody>${rows.map(([what, value]) => html`<tr><th scope="row"><code>${showText(what, 200)}</code></th><td class="number">${value}</td></tr>`)}</tbody></table>
${more > 0 && html`<p class="empty">and ${showNumber(more)} more</p>`}</section>`
}

// The commit of a job with steps takes them out of its own hash, where no handler can write.
function withoutOwn({ writes = {}, keys = [] }: NonNullable<CompletedResult['committed']>, own: string) {
  if (!keys.includes(own)) return { writes, keys }
  const { HDEL = 0, ...others } = writes
  return { writes: HDEL > 1 ? { ...others, HDEL: HDEL - 1 } : others, keys: keys.filter((key) => key !== own) }
}

/** The exact keys, each with the command that reads it. */
export function keysSection(
  { id, keys, isKept, resultText, input, logCount, options, job }: JobDetails,
  redis: RedisSettings,
): Html {
  const hash = keys.bullBase + id
  const rows: (readonly [what: string, words: readonly string[], note?: string | undefined])[] = []
  if (resultText) rows.push(['result', ['GET', keys.result(id)], showBytes(resultText.bytes)])
  if (isKept) rows.push(['job', ['HGETALL', hash], input && showBytes(input.bytes)])
  if (logCount > 0) rows.push(['logs', ['LRANGE', `${hash}:logs`, '0', '-1']])
  if (typeof options.key === 'string') rows.push(['key', ['GET', keys.key(`${job}:${options.key}`)]])
  return html`<section class="card" id="keys-of-job"><h2>Redis keys</h2><table><tbody>${rows.map(
    ([what, words, note]) =>
      html`<tr><th scope="row">${what}</th><td class="wide">${copyableCommand(`read-${what}`, redisCli(redis, ...words))}${note && html` <span class="muted">${note}</span>`}</td></tr>`,
  )}</tbody></table></section>`
}

/** How a program enqueues the same again. */
export function programSection({ job, input }: JobDetails): Html | undefined {
  if (input === undefined || input.bytes > MAX_CURL_INPUT) return undefined
  // Inside single quotes a shell takes everything as it is but the single quote itself.
  const body = `{"job":${JSON.stringify(job)},"input":${input.text}}`.replaceAll("'", "'\\''")
  const line = `curl -sS "$DROVER_URL/v1/jobs" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '${body}'`
  return html`<section class="card" id="curl"><h2>As curl ${copyButton('curl-line')}</h2>
<pre tabindex="0" class="wrap command" id="curl-line">${showText(line, 2 * MAX_CURL_INPUT)}</pre></section>`
}
