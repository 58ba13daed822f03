// How far a job is, as its page says it: a bar and the handler's own words for what `ctx.progress` wrote.
import { type Html, html } from '../html.js'
import type { JobDetails } from '../jobs/read-job.js'
import { showText } from '../show.js'
import { layOut, textBlock } from './text-block.js'

const MAX_WORDS = 300
/** Longer than ours are: not worth the parsing. */
const MAX_LENGTH = 8_192

/** Undefined where nothing was told. What another program wrote as progress shows as it stands. */
export function progressSection({ progress }: JobDetails): Html | undefined {
  if (progress === null || progress === '0' || progress === 'null') return undefined
  const known = readProgress(progress)
  if (known === undefined) return textBlock({ id: 'progress', title: 'Progress', text: layOut(progress) })
  const percent = Math.round(known.percent * 10) / 10
  return html`<section class="card" id="progress"><h2>Progress</h2>
<p class="progress"><progress max="100" value="${percent}" aria-label="Progress"></progress> <b>${percent} %</b>${
    known.text !== '' && html` <span>${showText(known.text, MAX_WORDS)}</span>`
  }</p></section>`
}

function readProgress(text: string): { readonly percent: number; readonly text: string } | undefined {
  if (text.length > MAX_LENGTH) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Another program's words: they are shown as they stand.
    return undefined
  }
  const {
    percent,
    text: words = '',
    ...others
  } = (typeof value === 'object' && value !== null ? value : { percent: value }) as {
    percent?: unknown
    text?: unknown
  }
  const isKnown = typeof percent === 'number' && percent >= 0 && percent <= 100 && typeof words === 'string'
  return isKnown && Object.keys(others).length === 0 ? { percent, text: words } : undefined
}
