// Markup as a template: every value put into it is escaped, so that what a job wrote shows as text. Nothing else in this
// room builds markup from strings.

class Html {
  readonly #markup: string

  constructor(markup: string) {
    this.#markup = markup
  }

  toString(): string {
    return this.#markup
  }
}

/** Markup that may go into a page as it is; only the tag `html` makes it. */
export type { Html }

/** What may stand in a template: markup as it is, text and numbers escaped, lists joined, nothing for the rest. */
export type HtmlValue = Html | string | number | null | undefined | false | readonly HtmlValue[]

/** Joins a template into markup. Attribute values must stand in double quotes: `<a title="${title}">`. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const parts = strings.map((text, index) => text + (index < values.length ? toMarkup(values[index]) : ''))
  return new Html(parts.join(''))
}

function toMarkup(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return ''
  if (value instanceof Html) return value.toString()
  if (typeof value === 'object') return value.map(toMarkup).join('')
  return escapeText(String(value))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
}
