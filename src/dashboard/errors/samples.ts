// The newest failed jobs of a group as its page shows them: error, input and the attempts that failed, cut where they are long.
import type { FailedJobDetails } from '../../ledger/index.js'
import { type Html, html } from '../html.js'
import { jobLink } from '../links.js'
import { showAgo, showDuration, showNumber, showText } from '../show.js'

const MAX_INPUT_LENGTH = 2_000
const MAX_LINES = 60
const MAX_LINE_LENGTH = 300
const MAX_MESSAGE_LENGTH = 500

export function samplesSection(base: string, queue: string, samples: readonly FailedJobDetails[], nowMs: number): Html {
  if (samples.length === 0) return html`<p class="muted">None of its jobs is failed any more.</p>`
  return html`<section id="samples" aria-labelledby="samples-title"><h2 id="samples-title">The newest jobs</h2>
${samples.map((sample) => card(base, queue, sample, nowMs))}</section>`
}

function card(
  base: string,
  queue: string,
  { id, failedAt, error, input, inputBytes, attempts }: FailedJobDetails,
  nowMs: number,
): Html {
  return html`<article class="card sample">
<h3><a href="${jobLink(base, queue, id)}">${showText(id, 160)}</a> <span class="muted">failed ${showAgo(failedAt, nowMs)}</span></h3>
<p>${showText(`${error.name}: ${error.message}`, MAX_MESSAGE_LENGTH)}</p>
<details open><summary>Input${inputBytes > MAX_INPUT_LENGTH && html`, ${showNumber(inputBytes)} bytes`}</summary>${
    input === null
      ? html`<p class="muted">Too long to show here: open the job.</p>`
      : html`<pre tabindex="0">${showLines(pretty(input))}</pre>`
  }</details>
${
  attempts.length > 0 &&
  html`<details><summary>${attempts.length} failed ${attempts.length === 1 ? 'attempt' : 'attempts'}</summary><div class="scroll"><table>
<thead><tr><th scope="col" class="number">attempt</th><th scope="col">started</th><th scope="col" class="number">ran</th><th scope="col">worker</th><th scope="col">error</th></tr></thead>
<tbody>${attempts.map(
    ({ attempt, startedAt, endedAt, worker, name, message }) => html`<tr>
<th scope="row" class="number">${Number(attempt)}</th><td data-label="started">${showAgo(Number(startedAt), nowMs)}</td>
<td class="number" data-label="ran">${showDuration(Number(endedAt) - Number(startedAt))}</td><td data-label="worker">${showText(String(worker), 80)}</td>
<td class="wide" data-label="error">${showText(`${name}: ${message}`, MAX_LINE_LENGTH)}</td></tr>`,
  )}</tbody></table></div></details>`
}
</article>`
}

function pretty(input: string): string {
  try {
    return JSON.stringify(JSON.parse(input), null, 2)
  } catch {
    // Not JSON: an app that encrypts its inputs.
    return input
  }
}

// Line ends stay, all else that is unseen is written out.
function showLines(text: string): string {
  const lines = text.slice(0, MAX_INPUT_LENGTH).split('\n', MAX_LINES)
  const shown = lines.map((line) => showText(line, MAX_LINE_LENGTH)).join('\n')
  return text.length > MAX_INPUT_LENGTH || text.split('\n', MAX_LINES + 1).length > MAX_LINES ? `${shown}\n…` : shown
}
