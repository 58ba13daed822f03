// Writes metrics in the text format of Prometheus, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/. What is measured is said by who calls it.
import { BUCKET_BOUNDS_MS } from '../buckets.js'

/** For the Content-Type header. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export type Labels = Readonly<Record<string, string>>

/** A histogram of times: its counts per bucket of BUCKET_BOUNDS_MS, and the sum of what was observed. */
export interface TimeHistogram {
  readonly counts: readonly number[]
  readonly sumMs: number
}

/** All samples of one name. A family without samples is left out. */
export type MetricFamily = {
  /** Of the characters a to z, 0 to 9 and `_`; with its unit, and `_total` when it is a counter. */
  readonly name: string
  readonly help: string
} & (
  | { readonly type: 'counter' | 'gauge'; readonly samples: readonly (readonly [labels: Labels, value: number])[] }
  | { readonly type: 'histogram'; readonly samples: readonly (readonly [labels: Labels, times: TimeHistogram])[] }
)

/** The whole answer to a scrape. Label values may hold anything. */
export function formatMetrics(families: readonly MetricFamily[]): string {
  const lines: string[] = []
  for (const family of families) {
    const { name, help, type } = family
    if (family.samples.length === 0) continue
    lines.push(`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${type}`)
    if (family.type === 'histogram') for (const sample of family.samples) lines.push(...histogramLines(name, ...sample))
    else
      for (const [labels, value] of family.samples) lines.push(`${name}${formatLabels(labels)} ${formatValue(value)}`)
  }
  return `${lines.join('\n')}\n`
}

// Buckets are cumulative, and in seconds as all times of Prometheus.
function histogramLines(name: string, labels: Labels, { counts, sumMs }: TimeHistogram): string[] {
  const lines: string[] = []
  let below = 0
  for (const [index, count] of counts.entries()) {
    below += count
    const bound = BUCKET_BOUNDS_MS[index]
    const le = bound === undefined ? '+Inf' : formatValue(bound / 1_000)
    lines.push(`${name}_bucket${formatLabels({ ...labels, le })} ${below}`)
  }
  lines.push(`${name}_sum${formatLabels(labels)} ${formatValue(sumMs / 1_000)}`)
  lines.push(`${name}_count${formatLabels(labels)} ${below}`)
  return lines
}

function formatLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeValue(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}

function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}
