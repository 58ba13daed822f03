// A text of a job as a block of a page: as it stands, cut, with the link to all of it. What a job wrote stays text.
import { type Html, html } from '../html.js'
import { MAX_SHOWN } from '../jobs/read-job.js'
import { showBytes, showLines } from '../show.js'

export interface TextBlock {
  /** Unique on the page. */
  readonly id: string
  readonly title: string
  readonly text: string
  /** Bytes of all of it; default: this text is all. */
  readonly bytes?: number | undefined
  /** Where all of it is, as plain text. */
  readonly raw?: string | undefined
}

export function textBlock({ id, title, text, bytes = text.length, raw }: TextBlock): Html {
  const shown = showLines(text, MAX_SHOWN)
  const isCut = bytes > MAX_SHOWN || text.length > MAX_SHOWN
  return html`<section class="card" id="${id}">
<h2>${title} ${raw !== undefined && html`<a class="raw" href="${raw}">raw</a>`}</h2>
${isCut && html`<p class="cut">The beginning of ${showBytes(bytes)}${raw !== undefined && html`; <a href="${raw}">raw</a> has all of it`}.</p>`}
<pre tabindex="0" aria-label="${title}">${shown}</pre>
</section>`
}

/** JSON laid out for reading; text that is no JSON, or is cut, as it is. */
export function layOut(text: string): string {
  if (text.length > MAX_SHOWN) return text
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    // Cut in the middle, or written by another program.
    return text
  }
}
