import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cutValue, MAX_CHARACTERS } from '../../../src/dashboard/bull-board-cut.js'
import { fillBoardPage, readBoardPage } from '../../../src/dashboard/bull-board-page.js'

const uiPath = dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json'))

describe("bull-board's page", () => {
  const values = {
    basePath: '/x/queues/',
    title: '<b>Queues</b>',
    uiConfig: { boardTitle: '</script><script>alert(1)</script>' },
    favIconDefault: '/a.svg',
    favIconAlternative: '/b.svg',
    styles: '/x/assets/board.css',
    role: 'operator',
  }

  it('asks no other host for anything', () => {
    const page = fillBoardPage(readBoardPage(uiPath), values)
    expect(page).not.toMatch(/(?:href|src)="(?:https?:)?\/\//)
    expect(page).not.toContain('googleapis')
  })

  it('has every place of its template filled, text escaped and the configuration unable to end its script', () => {
    const page = fillBoardPage(readBoardPage(uiPath), values)
    expect(page).not.toContain('<%')
    expect(page).toContain('<base href="/x/queues/" />')
    expect(page).toContain('<title>&lt;b&gt;Queues&lt;/b&gt;</title>')
    expect(page).toContain('<html data-role="operator" ')
    expect(page).toContain('<link href="/x/assets/board.css" rel="stylesheet"></head>')
    expect(page).not.toContain('<script>alert')
    const config = /<script id="__UI_CONFIG__" type="application\/json">(.*)<\/script>\n/.exec(page)?.[1] ?? ''
    expect(JSON.parse(config)).toEqual(values.uiConfig)
  })

  it('refuses a template that wants something we do not have', () => {
    expect(() => fillBoardPage('<%= surprise %>', values)).toThrow(/surprise/)
  })
})

describe('cutValue', () => {
  it('leaves what fits as it is, and undefined too', () => {
    const value = { text: 'x'.repeat(1_000) }
    expect(cutValue(value)).toBe(value)
    expect(cutValue(undefined)).toBeUndefined()
  })

  it('shows the first part of what does not fit, and says how much there is', () => {
    const cut = cutValue({ text: 'x'.repeat(5_000_000) }) as { text: string }
    expect(cut).toMatchObject({ 'drover:cut': 'first 32768 of 5000011 characters' })
    expect(cut.text).toHaveLength(MAX_CHARACTERS)
  })
})
