// bull-board's page as we send it: its own template, without the fonts it would load from another host, with a style sheet of
// ours (assets/board.css), filled in per request because it may be reached under any base path and by any role.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { html } from './html.js'

export interface BoardPageValues {
  readonly basePath: string
  readonly title: string
  readonly uiConfig: object
  readonly favIconDefault: string
  readonly favIconAlternative: string
  readonly styles: string
  readonly role: string
}

const FOREIGN_LINK = /<link\b[^>]*\bhref="https?:\/\/[^>]*>\s*/g
const FOREIGN_SOURCE = /<(?:link|script|img)\b[^>]*\b(?:href|src)="(?:https?:)?\/\//
const PLACE = /<%([=-])\s*(\w+)\s*%>/g

/**
 * The template's text, ready for `fillBoardPage`.
 * @throws Error when it would still load something from another host: another version of @bull-board/ui than the pinned
 */
export function readBoardPage(uiPath: string): string {
  const text = readFileSync(join(uiPath, 'dist', 'index.ejs'), 'utf8').replace(FOREIGN_LINK, '')
  const template = text
    .replace('<html ', '<html data-role="<%= role %>" ')
    .replace('</head>', '<link href="<%= styles %>" rel="stylesheet"></head>')
  if (FOREIGN_SOURCE.test(template))
    throw new Error('the page of @bull-board/ui loads from another host: pin its version')
  return template
}

/** The page. `<%= name %>` takes escaped text; `<%- uiConfig %>` takes JSON inside a script element. */
export function fillBoardPage(template: string, values: BoardPageValues): string {
  return template.replace(PLACE, (_place, kind: string, name: string) => {
    const value = values[name as keyof BoardPageValues]
    if (value === undefined) throw new Error(`the page of @bull-board/ui wants ${name}: pin its version`)
    if (kind === '-') return JSON.stringify(value).replaceAll('<', '\\u003c')
    return String(html`${String(value)}`)
  })
}
