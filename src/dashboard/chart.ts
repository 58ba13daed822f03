// A chart as a page holds it: the numbers, for assets/chart.js to draw and for everyone as a table, and a plain drawing that
// stands until then (chart-drawing.ts).
import { chartDrawing } from './chart-drawing.js'
import { type Html, html } from './html.js'
import { showNumber, showUtc } from './show.js'

export interface ChartSeries {
  readonly label: string
  /** One value per time; null where there is none. */
  readonly values: readonly (number | null)[]
  /** Colour: what it means, not what it looks like. */
  readonly tone: 'link' | 'good' | 'warn' | 'bad' | 'muted'
  /** Draws bars in place of a line. */
  readonly isBars?: boolean | undefined
}

/** A moment that something changed, such as a new version of the workers. */
export interface ChartMark {
  readonly at: number
  readonly label: string
}

export interface Chart {
  /** Unique on its page: `throughput`. */
  readonly id: string
  readonly title: string
  /** Milliseconds since 1970, ascending, the same for all series. */
  readonly times: readonly number[]
  readonly series: readonly ChartSeries[]
  /** How values read; default `number`. */
  readonly unit?: 'number' | 'ms' | 'bytes' | 'percent' | undefined
  readonly marks?: readonly ChartMark[] | undefined
  /** Another word for a value in the table, such as a duration; default the number. */
  readonly show?: ((value: number | null) => string) | undefined
}

export function chart(given: Chart): Html {
  const { id, title, times, series, unit = 'number', marks = [], show = showNumber } = given
  const drawn = { times: times.map((at) => at / 1_000), series, unit, marks }
  return html`<figure class="chart" id="chart-${id}">
<figcaption>${title}</figcaption>
<div class="plot" data-chart="${JSON.stringify(drawn)}" aria-hidden="true">${chartDrawing(given, show)}</div>
<details><summary>Table: ${title}</summary><div class="scroll" tabindex="0" role="region" aria-label="Table: ${title}">
<table class="twin"><thead><tr><th scope="col">from (UTC)</th>${series.map(({ label }) => html`<th scope="col" class="number">${label}</th>`)}</tr></thead>
<tbody>${times.map(
    (at, row) =>
      html`<tr><th scope="row">${showUtc(at).slice(0, 16)}</th>${series.map(
        ({ label, values }) => html`<td class="number" data-label="${label}">${show(values[row] ?? null)}</td>`,
      )}</tr>`,
  )}</tbody></table></div></details>
</figure>`
}
