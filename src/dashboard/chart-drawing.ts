// A chart as it is drawn on the server: a plain picture with the highest value, which stands until assets/chart.js draws the
// chart itself, and stays where scripts are off. Shapes and classes only: the page's policy allows no inline styles.
import type { Chart } from './chart.js'
import { type Html, html } from './html.js'

const WIDTH = 600
const HEIGHT = 140

export function chartDrawing({ times, series, marks = [] }: Chart, show: (value: number | null) => string): Html {
  const known = series.flatMap(({ values }) => values.map((value) => value ?? 0))
  const [lowest, highest] = [Math.min(0, ...known), Math.max(0, ...known)]
  const bottom = lowest * 1.1
  const top = highest > 0 || lowest < 0 ? highest * 1.1 : 1
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  // What came after the start of the last step stands at the edge.
  const place = (at: number) =>
    round(Math.min(WIDTH, last > first ? (WIDTH * (at - first)) / (last - first) : WIDTH / 2))
  const height = (value: number) => round((HEIGHT * (top - value)) / (top - bottom))
  const lines = series.map(({ values, tone }) => {
    const points = values.map((value, index) => value !== null && `${place(times[index] ?? 0)} ${height(value)}`)
    const dots = points.filter((point, index) => point && !points[index - 1] && !points[index + 1])
    return html`<path class="tone-${tone}" d="${lineThrough(points)}"/>${
      dots.length > 0 && html`<path class="dots tone-${tone}" d="${dots.map((dot) => `M${dot}h0`).join('')}"/>`
    }`
  })
  return html`<svg class="drawn" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">${marks.map(
    ({ at }) => html`<path class="mark" d="M${place(at)} 0V${HEIGHT}"/>`,
  )}${lines}</svg>
<p class="drawn-key">${lowest < 0 && html`<span>least ${show(lowest)}</span> `}<span>most ${show(highest)}</span>${series.map(({ label, tone }) => html` <span class="key-${tone}">${label}</span>`)}</p>`
}

/** A point that is not there leaves a gap. */
function lineThrough(points: readonly (string | false)[]): string {
  return points
    .map((point, index) => (point === false ? '' : `${index === 0 || points[index - 1] === false ? 'M' : 'L'}${point}`))
    .join('')
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
