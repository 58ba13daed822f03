// deploy/alerts.yml against the metrics and the rules that it speaks of.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import {
  fleetMetrics,
  formatMetrics,
  problemMetrics,
  QUEUE_RULES,
  unreadableMetrics,
  WORKER_RULES,
} from '../../../src/ledger/index.js'
import { parseMetrics } from '../../support/metrics-text.js'

interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: { readonly severity: string }
}

const file = readFileSync(new URL('../../../deploy/alerts.yml', import.meta.url), 'utf8')
const alerts = (parse(file) as { groups: readonly { rules: readonly AlertRule[] }[] }).groups.flatMap(
  ({ rules }) => rules,
)

const finding = (code: string, level: 'error' | 'warning', queue: string) =>
  ({ code, level, evidence: 'seen', about: { kind: 'queue', queue } }) as const

it('each alert asks for a metric that drover serve has', () => {
  const told = [...fleetMetrics([]), ...problemMetrics([]), ...unreadableMetrics(0)].map(({ name }) => name)
  for (const { alert, expr } of alerts) {
    const asked = expr.match(/drover_[a-z_]+/g) ?? []
    expect([alert, asked.length, asked.filter((name) => !told.includes(name))]).toEqual([alert, 1, []])
  }
})

it('a finding of any rule and level is a sample that an alert picks', () => {
  const codes = [...Object.keys(QUEUE_RULES), ...Object.keys(WORKER_RULES)]
  const levels = ['error', 'warning'] as const
  const findings = codes.flatMap((code) => levels.map((level) => finding(code, level, 'media')))
  const samples = parseMetrics(formatMetrics(problemMetrics([...findings, ...findings])))
  expect(samples).toHaveLength(findings.length)
  for (const { labels, value } of samples) {
    expect(value).toBe(2)
    expect(alerts.filter(({ expr }) => expr.includes(`drover_problems{level="${labels.level}"}`))).toHaveLength(1)
  }
})
