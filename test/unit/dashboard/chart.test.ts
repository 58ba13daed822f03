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
