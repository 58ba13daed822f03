import { expect, it } from 'vitest'
import { chart } from '../../../src/dashboard/chart.js'

it('a chart holds its numbers as an attribute and as a table, and what a job named as text', () => {
  const shown = String(
    chart({
      id: 'runs',
      title: '"><script>',
      times: [0, 60_000],
      series: [{ label: `</div>"'`, values: [1_234, null], tone: 'good' }],
    }),
  )
  expect(shown).not.toMatch(/<script>|<\/div>"/)
  const attribute = /data-chart="([^"]*)"/.exec(shown)?.[1] ?? ''
  const entities: Record<string, string> = { '&quot;': '"', '&#39;': "'", '&lt;': '<', '&gt;': '>', '&amp;': '&' }
  expect(JSON.parse(attribute.replace(/&[^;]+;/g, (entity) => entities[entity] ?? ''))).toEqual({
    times: [0, 60],
    series: [{ label: `</div>"'`, values: [1_234, null], tone: 'good' }],
    unit: 'number',
    marks: [],
  })
  expect(shown).toContain('<th scope="row">1970-01-01 00:01</th>')
  expect(shown).toMatch(/>1,234<.*>–</s)
})

it('a chart is drawn on the server too, with its highest value, gaps where there is no number and no style of its own', () => {
  const shown = String(
    chart({
      id: 'runs',
      title: 'Runs',
      times: [0, 60_000, 120_000, 180_000],
      series: [{ label: 'completed', values: [0, 1_000, null, 500], tone: 'good' }],
      marks: [{ at: 60_000, label: 'v2' }],
    }),
  )
  expect(shown).toContain('<path class="tone-good" d="M0 140L200 12.7M600 76.4"/>')
  expect(shown).toContain('<path class="dots tone-good" d="M600 76.4h0"/>')
  expect(shown).toContain('<path class="mark" d="M200 0V140"/>')
  expect(shown).toContain('most 1,000')
  expect(shown).not.toContain('style=')
})

it('a chart without a number is drawn empty', () => {
  const shown = String(chart({ id: 'a', title: 'A', times: [], series: [{ label: 'x', values: [], tone: 'bad' }] }))
  expect(shown).toContain('<path class="tone-bad" d=""/>')
})

it('a chart of values below zero has its zero above them', () => {
  const series = [{ label: 'taken', values: [0, -500, 1_000], tone: 'bad' }] as const
  const shown = String(chart({ id: 'a', title: 'A', times: [0, 60_000, 120_000], series }))
  expect(shown).toContain('<path class="tone-bad" d="M0 93.3L300 135.8L600 8.5"/>')
  expect(shown).toContain('least -500')
})
