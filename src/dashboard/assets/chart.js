// Draws every [data-chart] of a page with uPlot, in the colours of the page, and again when its numbers, its width or the
// colours change. chart.ts says what the numbers look like.
import uPlot from './uplot.js'

const HEIGHT = 170
const plots = new Map()
const widths = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    plots.get(target)?.plot.setSize({ width: Math.floor(contentRect.width), height: HEIGHT })
  }
})

export function drawAll() {
  for (const [place, { plot }] of plots) {
    if (place.isConnected) continue
    plot.destroy()
    widths.unobserve(place)
    plots.delete(place)
  }
  for (const place of document.querySelectorAll('[data-chart]')) draw(place)
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const [place, drawn] of plots) {
    drawn.plot.destroy()
    plots.delete(place)
    draw(place)
  }
})

function draw(place) {
  const text = place.dataset.chart
  const known = plots.get(place)
  if (known?.text === text) return
  const chart = JSON.parse(text)
  const data = [chart.times, ...chart.series.map(({ values }) => values)]
  const shape = JSON.stringify([chart.unit, chart.series.map(({ label, tone }) => [label, tone])])
  if (known?.shape === shape) {
    known.text = text
    known.marks.splice(0, known.marks.length, ...chart.marks)
    known.plot.setData(data)
    return
  }
  known?.plot.destroy()
  const marks = [...chart.marks]
  // In place of what the server drew.
  place.replaceChildren()
  const plot = new uPlot(optionsOf(chart, place, marks), data, place)
  plots.set(place, { plot, text, shape, marks })
  widths.observe(place)
}

function optionsOf({ series, unit }, place, marks) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
  const axis = {
    stroke: colour('muted'),
    font: '11px system-ui',
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  }
  const show = (value) => (value === null || value === undefined ? '–' : SHOW[unit](value))
  return {
    width: Math.floor(place.clientWidth),
    height: HEIGHT,
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: rangeOf } },
    // Times are UTC, as everywhere on these pages.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC'),
    axes: [
      { ...axis, size: 30, values: showTicks },
      { ...axis, size: 52, values: (_plot, ticks) => ticks.map(show) },
    ],
    series: [
      { value: '{YYYY}-{MM}-{DD} {HH}:{mm}' },
      ...series.map(({ label, tone, isBars }) => ({
        label,
        stroke: colour(tone),
        width: 1.5,
        fill: isBars ? colour(tone) : undefined,
        paths: isBars ? uPlot.paths.bars({ size: [0.8, 24] }) : undefined,
        points: { show: false, size: 6, filter: lonePoints },
        value: (_plot, value) => show(value),
      })),
    ],
    // Below the lines: the dot of a value without neighbours is as narrow as a mark.
    hooks: { drawAxes: [(plot) => drawMarks(plot, marks, colour('warn'))] },
  }
}

// From zero, and on: a counter that is taken from goes below it.
function rangeOf(_plot, min, max) {
  const low = min < 0 ? min * 1.1 : 0
  return [low, max > 0 ? max * 1.1 : low < 0 ? 0 : 1]
}

// A value without one before or after it makes no line: it becomes a dot.
function lonePoints(plot, series) {
  const values = plot.data[series]
  const isLone = (index) => values[index] !== null && (values[index - 1] ?? values[index + 1] ?? null) === null
  const lone = values.flatMap((_value, index) => (isLone(index) ? [index] : []))
  return lone.length > 0 ? lone : null
}

function showTicks(_plot, ticks, _axis, _space, step) {
  return ticks.map((at) => new Date(at * 1_000).toISOString().slice(...(step < 86_400 ? [11, 16] : [5, 10])))
}

// A label stands left of its line where there is no room to the right, and lower where another one stands.
function drawMarks(plot, marks, stroke) {
  const { ctx, bbox } = plot
  const unit = devicePixelRatio
  const taken = []
  ctx.save()
  ctx.strokeStyle = stroke
  ctx.fillStyle = stroke
  ctx.textAlign = 'left'
  ctx.font = `${11 * unit}px system-ui`
  for (const { at, label: name } of marks) {
    // What came after the start of the last step stands at the edge.
    const x = Math.min(Math.round(plot.valToPos(at / 1_000, 'x', true)), bbox.left + bbox.width)
    if (x < bbox.left) continue
    ctx.beginPath()
    ctx.setLineDash([4, 3])
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    // The whole name stands below the charts.
    const label = name.length > 16 ? `${name.slice(0, 15)}…` : name
    const width = ctx.measureText(label).width
    const hasRoom = x + 4 * unit + width <= bbox.left + bbox.width
    const left = hasRoom ? x + 4 * unit : Math.max(bbox.left, x - 4 * unit - width)
    const line = taken.filter((other) => other.left < left + width + 4 * unit && left < other.right + 4 * unit).length
    taken.push({ left, right: left + width })
    ctx.fillText(label, left, bbox.top + (11 + 13 * line) * unit)
  }
  ctx.restore()
}

const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })
const SHOW = {
  number: (value) => COMPACT.format(value),
  ms: (value) =>
    value < 1_000
      ? `${Math.round(value * 10) / 10}ms`
      : value < 60_000
        ? `${COMPACT.format(value / 1_000)}s`
        : `${COMPACT.format(value / 60_000)}m`,
  bytes: (value) => `${COMPACT.format(value)}B`,
  percent: (value) => `${COMPACT.format(value)}%`,
}
