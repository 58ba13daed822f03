// The list of counters, as a page, as JSON and as CSV. counter.ts is the page of one.
import type { Request, Response } from 'express'
import { type CounterList, type CounterRow, MAX_COUNTERS, readCounterList } from '../counters/counter-list.js'
import { csvOf } from '../counters/csv.js'
import { type Html, html } from '../html.js'
import type { Shared } from '../shared.js'
import { showNumber, showText } from '../show.js'
import { cell, heads, numberCell, section, table } from '../table.js'
import type { Asked, Shown } from '../view.js'

const MAX_NAME_LENGTH = 128
/** Above any that the names of queue and counter allow. */
const MAX_COMMAND_LENGTH = 1_000

export async function countersView({ shared, base, query, nowMs }: Asked): Promise<Shown> {
  const list = await readCounterList(shared, nowMs)
  const wanted = (query.get('q') ?? '').trim()
  const counters = list.counters.filter(({ counter, queue }) => `${queue} ${counter}`.includes(wanted))
  return {
    title: 'Counters',
    current: 'counters',
    main: html`<div class="head page-head"><h1>Counters</h1>
<form class="pick" method="get" action="${base}/counters" role="search"><label>Name or queue <input type="search" name="q" value="${wanted}" maxlength="200" data-search></label> <button type="submit">Find</button></form>
<span class="exports"><a href="${base}/counters.csv">CSV</a> <a href="${base}/counters.json">JSON</a></span></div>
${leftOutNotice(list)}
${section('counters', 'Counters', counters.length === 0 ? empty(list, wanted) : countersTable(base, counters))}
<p class="muted">A counter is one Redis key, committed with the job that adds to it, exactly once. Any program reads it with GET.</p>`,
  }
}

function empty({ counters }: CounterList, wanted: string): Html {
  if (counters.length > 0)
    return html`<p class="empty">No counter has “${showText(wanted, MAX_NAME_LENGTH)}” in its name.</p>`
  return html`<p class="empty">No counter yet. A handler adds to one with <code>ctx.counter('bytes').add(1)</code>.</p>`
}

function leftOutNotice({ leftOut: { queues, counters } }: CounterList): Html {
  return html`${
    counters > 0 &&
    html`<p class="notice">${showNumber(counters)} more counters are not shown: these are the first ${showNumber(MAX_COUNTERS)}. Read one by its key with redis-cli.</p>`
  }${queues.length > 0 && html`<p class="notice">Too many counters to list: queue ${queues.join(', ')}.</p>`}`
}

function countersTable(base: string, counters: readonly CounterRow[]): Html {
  return table(
    heads([['counter'], ['queue'], ['value', true], ['last 2 min', true], ['last hour', true], ['read it yourself']]),
    counters.map(({ counter, queue, value, lastMinutes, lastHour, command }) => {
      const link = `${base}/counters/${encodeURIComponent(queue)}/${encodeURIComponent(counter)}`
      return html`<tr>
<th scope="row"><a href="${link}">${showText(counter, MAX_NAME_LENGTH)}</a></th>${cell('queue', queue)}
${value === null ? cell('value', 'not a whole number', 'bad') : numberCell('value', value)}
${cell('last 2 min', signed(lastMinutes), lastMinutes === 0 ? 'number zero' : 'number')}${cell('last hour', signed(lastHour), lastHour === 0 ? 'number zero' : 'number')}
<td class="wide" data-label="read it yourself"><code class="command">${showText(command, MAX_COMMAND_LENGTH)}</code></td></tr>`
    }),
  )
}

/** `+1,234`: what was added, not what there is. */
export function signed(added: number): string {
  return added > 0 ? `+${showNumber(added)}` : showNumber(added)
}

export async function showCountersJson(_request: Request, response: Response, shared: Shared): Promise<void> {
  response.json(await readCounterList(shared, Date.now()))
}

export async function showCountersCsv(_request: Request, response: Response, shared: Shared): Promise<void> {
  const { counters } = await readCounterList(shared, Date.now())
  const head = ['queue', 'counter', 'value', 'last_2_minutes', 'last_hour', 'key']
  const rows = counters.map((row) => [row.queue, row.counter, row.value, row.lastMinutes, row.lastHour, row.key])
  response.setHeader('Content-Disposition', 'attachment; filename="counters.csv"')
  response.type('text/csv').send(csvOf([head, ...rows]))
}
