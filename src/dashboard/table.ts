// Cards and tables, made the same way on every page. Where a page is too narrow for a table, each row becomes a card and
// its cells name themselves (assets/tables.css).
import { type Html, type HtmlValue, html } from './html.js'
import { showNumber } from './show.js'

/** Characters from which on a number needs more than a third of a window of 360 px. */
const LONG = 11

export function section(id: string, title: string, content: HtmlValue, beside?: HtmlValue): Html {
  return html`<section class="card" id="${id}" aria-labelledby="${id}-title"><div class="head"><h2 id="${id}-title">${title}</h2>${beside}</div>${content}</section>`
}

export function table(head: HtmlValue, rows: readonly Html[]): Html {
  return html`<div class="scroll"><table><thead>${head}</thead><tbody>${rows}</tbody></table></div>`
}

/** One row of heads; those of numbers stand above them. */
export function heads(columns: readonly (readonly [label: string, isNumber?: boolean])[]): Html {
  return html`<tr>${columns.map(
    ([label, isNumber]) => html`<th scope="col"${isNumber && html` class="number"`}>${label}</th>`,
  )}</tr>`
}

/** The label stands beside the value where the page is too narrow for a table. */
export function cell(label: string, value: HtmlValue, style?: string): Html {
  const isLong = style?.startsWith('number') && typeof value === 'string' && value.length >= LONG
  return html`<td data-label="${label}"${style && html` class="${style}${isLong && ' long'}"`}>${value}</td>`
}

/** A name in a column beside one that takes all it can get: it breaks where it is long, and not at each hyphen. */
export function named(name: string): Html {
  return html`<span class="name">${name}</span>`
}

export interface NumberStyle {
  /** Where the rows behind the number are. */
  readonly link?: string | undefined
  /** True: anything but 0 is bad. */
  readonly isBad?: boolean | undefined
  /** True: the first of a group of columns. */
  readonly isStart?: boolean | undefined
}

export function numberCell(label: string, value: number, { link, isBad, isStart }: NumberStyle = {}): Html {
  const text = showNumber(value)
  const shown = link === undefined || value === 0 ? text : html`<a href="${link}">${text}</a>`
  const tone = value === 0 ? ' zero' : isBad ? ' bad' : ''
  return cell(label, shown, `number${isStart ? ' group' : ''}${tone}`)
}
