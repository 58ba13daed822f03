// Reads Prometheus' text format by its rules, and refuses what breaks one: a check of /metrics that shares nothing with
// what writes it. https://prometheus.io/docs/instrumenting/exposition_formats/

export interface ParsedSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const VALUE = '[+-]?(?:Inf|NaN|\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)'
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (${VALUE})$`)
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/
const ESCAPED: Readonly<Record<string, string>> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' }

/** @throws Error that names the line which breaks a rule */
export function parseMetrics(text: string): ParsedSample[] {
  if (!text.endsWith('\n')) throw new Error('the last line does not end')
  const samples: ParsedSample[] = []
  const families = new Map<string, { type: string; series: Set<string> }>()
  let current = ''
  let helped = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`).exec(line)
    if (comment) {
      const [, kind, name = '', rest = ''] = comment
      if (families.has(name)) throw new Error(`a second family: ${line}`)
      if (kind === 'HELP') helped = name
      else if (helped !== name) throw new Error(`no HELP before: ${line}`)
      else if (!['counter', 'gauge', 'histogram'].includes(rest)) throw new Error(`unknown type: ${line}`)
      else {
        if (rest === 'counter' && !name.endsWith('_total')) throw new Error(`a counter without _total: ${line}`)
        families.set(name, { type: rest, series: new Set() })
        current = name
      }
      continue
    }
    const sample = readSample(line)
    const { type, series } = families.get(current) ?? { type: '', series: new Set<string>() }
    const names = type === 'histogram' ? ['_bucket', '_sum', '_count'].map((ending) => current + ending) : [current]
    if (!names.includes(sample.name)) throw new Error(`not of the family ${current}: ${line}`)
    const id = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`
    if (series.has(id)) throw new Error(`told twice: ${line}`)
    series.add(id)
    if (type === 'counter' && !(sample.value >= 0)) throw new Error(`a counter below 0: ${line}`)
    samples.push(sample)
  }
  for (const [name, { type }] of families) if (type === 'histogram') checkHistogram(name, samples)
  return samples
}

function readSample(line: string): ParsedSample {
  const match = SAMPLE.exec(line)
  if (!match) throw new Error(`neither a comment nor a sample: ${line}`)
  const [, name = '', labelText, value = ''] = match
  const labels: Record<string, string> = {}
  let rest = labelText ?? ''
  while (rest !== '') {
    const label = LABEL.exec(rest)
    if (!label) throw new Error(`labels: ${line}`)
    const [all, key = '', text = ''] = label
    if (key in labels) throw new Error(`a label twice: ${line}`)
    labels[key] = text.replace(/\\[\\"n]/g, (escaped) => ESCAPED[escaped] ?? '')
    rest = rest.slice(all.length)
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) }
}

function checkHistogram(name: string, samples: readonly ParsedSample[]): void {
  for (const count of samples.filter((sample) => sample.name === `${name}_count`)) {
    const isSame = ({ labels: { le, ...labels } }: ParsedSample) =>
      JSON.stringify(labels) === JSON.stringify(count.labels)
    const buckets = samples.filter((sample) => sample.name === `${name}_bucket` && isSame(sample))
    const bounds = buckets.map(({ labels }) => Number(labels.le?.replace('Inf', 'Infinity')))
    const isRising = (values: readonly number[]) =>
      values.every((value, at) => at === 0 || value >= (values[at - 1] ?? 0))
    if (!isRising(bounds) || !isRising(buckets.map(({ value }) => value))) throw new Error(`${name}: buckets fall`)
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY || buckets.at(-1)?.value !== count.value) {
      throw new Error(`${name}: the last bucket is not the count`)
    }
    if (!samples.some((sample) => sample.name === `${name}_sum` && isSame(sample))) throw new Error(`${name}: no sum`)
  }
}

/** The value of the one sample of this name that has these labels, among others; undefined when there is none. */
export function sampleValue(
  samples: readonly ParsedSample[],
  name: string,
  labels: ParsedSample['labels'] = {},
): number | undefined {
  const found = samples.filter((sample) => {
    return sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  })
  if (found.length > 1) throw new Error(`${found.length} samples of ${name} with ${JSON.stringify(labels)}`)
  return found[0]?.value
}
