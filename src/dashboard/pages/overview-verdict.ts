// The first line of the overview: all is well, or what is wrong, each problem a sentence with what to do and a link.
import type { Finding } from '../../ledger/index.js'
import { type Html, html } from '../html.js'
import { linkOf } from '../links.js'
import type { Overview } from '../overview-data.js'
import { showDuration, showNumber, showText } from '../show.js'

const MAX_SENTENCE = 600
/** Problems shown; of more, the first ones are enough to begin with. */
const MAX_PROBLEMS = 12

export function verdictSection(base: string, { problems, queues, workers, server }: Overview): Html {
  if (problems.length === 0) {
    const things = `${count(queues.length, 'queue')}, ${count(workers.length, 'worker')}`
    return html`<section class="verdict ok" id="verdict" role="status" aria-label="Verdict">
<h1>OK</h1><p>${things}, Redis answers in ${showDuration(server.roundTripMs)}.</p></section>`
  }
  const isBad = problems.some(({ level }) => level === 'error')
  const more = problems.length - MAX_PROBLEMS
  return html`<section class="verdict ${isBad ? 'error' : 'warning'}" id="verdict" role="status" aria-label="Verdict">
<h1>${count(problems.length, 'problem')}</h1>
<ul>${problems.slice(0, MAX_PROBLEMS).map((problem) => problemItem(base, problem))}</ul>
${more > 0 && html`<p>${showNumber(more)} more: <code>drover doctor</code> lists them all.</p>`}
</section>`
}

function problemItem(base: string, { level, code, evidence, remedy, about }: Finding): Html {
  const link = about && linkOf(base, about)
  return html`<li class="${level}"><span class="what">${sentence(evidence)}</span>
<span class="remedy">${remedy && sentence(remedy)} ${link && html`<a href="${link.href}">See ${link.text}</a>`}</span>
<code class="code">${code}</code></li>`
}

/** The text as a sentence: it begins with a capital, and ends with a full stop. */
export function sentence(text: string): string {
  const shown = showText(text, MAX_SENTENCE)
  return `${shown.slice(0, 1).toUpperCase()}${shown.slice(1)}.`
}

function count(number: number, thing: string): string {
  return `${showNumber(number)} ${thing}${number === 1 ? '' : 's'}`
}
