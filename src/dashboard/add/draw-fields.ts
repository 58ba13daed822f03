// The fields of a form as markup, each with what was written into it and what is wrong with it. It works without scripts.
import { type Html, type HtmlValue, html } from '../html.js'
import { showLines, showText } from '../show.js'
import type { Field } from './read-fields.js'
import { type FormBody, textOf } from './read-form.js'

export interface Drawing {
  readonly body: FormBody
  /** What is wrong, by the name of the form's field. */
  readonly complaints: ReadonlyMap<string, readonly string[]>
}

const MAX_ABOUT = 300
const MAX_COMPLAINT = 500
const MAX_CHOICE = 80

export function drawField(field: Field, drawing: Drawing): Html {
  if (field.kind === 'object') return drawObject(field, drawing)
  return drawControl(field.name, labelOf(field), hintsOf(field), drawing, (aria) => control(field, drawing, aria))
}

/** A field that is no part of the input. */
export function drawOption(name: string, label: string, hint: string, drawing: Drawing): Html {
  return drawControl(name, label, [hint], drawing, (aria) => {
    return html`<input id="${idOf(name)}" name="${name}" value="${textOf(drawing.body, name)}" maxlength="1000" autocomplete="off"${aria}>`
  })
}

/** Id of a field on the page, for links to it. */
export function idOf(name: string): string {
  return `field-${Array.from(name, (each) => (/[\w-]/.test(each) ? each : `.${each.codePointAt(0)?.toString(16)}.`)).join('')}`
}

function drawObject(field: Field, drawing: Drawing): Html {
  const inside = html`${complaintsOf(field.name, drawing)}${field.fields.map((each) => drawField(each, drawing))}`
  if (field.key === '') return html`<div id="${idOf(field.name)}">${inside}</div>`
  return html`<fieldset id="${idOf(field.name)}"><legend>${labelOf(field)}</legend>
${field.about !== undefined && html`<p class="hint">${showText(field.about, MAX_ABOUT)}</p>`}${inside}</fieldset>`
}

function drawControl(
  name: string,
  label: HtmlValue,
  hints: readonly string[],
  drawing: Drawing,
  draw: (aria: Html) => Html,
): Html {
  const id = idOf(name)
  const isWrong = drawing.complaints.has(name)
  const shown = hints.filter((hint) => hint !== '').join(' · ')
  const about = [isWrong && `${id}-wrong`, shown !== '' && `${id}-hint`].filter((each) => each !== false).join(' ')
  const aria = html`${isWrong && html` aria-invalid="true"`}${about !== '' && html` aria-describedby="${about}"`}`
  return html`<div class="field${isWrong && ' wrong'}"><label for="${id}">${label}</label>
${draw(aria)}${shown !== '' && html`<p class="hint" id="${id}-hint">${shown}</p>`}${complaintsOf(name, drawing)}</div>`
}

function complaintsOf(name: string, { complaints }: Drawing): Html | undefined {
  const found = complaints.get(name)
  if (found === undefined) return undefined
  return html`<p class="complaint" id="${idOf(name)}-wrong">${showLines(found.join('\n'), MAX_COMPLAINT)}</p>`
}

function labelOf({ key, isRequired }: Field): HtmlValue {
  return html`${key === '' ? 'Input' : showText(key, 100)}${isRequired && html` <span class="needed">required</span>`}`
}

function hintsOf({ about, rule, byDefault, kind }: Field): string[] {
  const shown =
    byDefault === undefined || kind === 'boolean' || kind === 'choice' ? '' : `default ${showText(byDefault, 80)}`
  return [about === undefined ? '' : showText(about, MAX_ABOUT), rule, shown]
}

function control(field: Field, { body }: Drawing, aria: Html): Html {
  const { kind, name, choices } = field
  const id = idOf(name)
  const text = textOf(body, name)
  if (kind === 'boolean') return select(field, ['true', 'false'], text, aria)
  if (kind === 'choice') return select(field, choices, text, aria)
  if (kind === 'text' || kind === 'number') {
    const mode = kind === 'number' && html` inputmode="decimal"`
    return html`<input id="${id}" name="${name}" value="${text}" autocomplete="off" spellcheck="false"${mode}${aria}>`
  }
  const rows = kind === 'lines' ? 3 : field.key === '' ? 14 : 4
  // A line end straight after the tag is not part of the text.
  return html`<textarea id="${id}" name="${name}" rows="${rows}" spellcheck="false"${aria}>
${text}</textarea>`
}

function select({ name, byDefault, isNullable }: Field, choices: readonly string[], chosen: string, aria: Html): Html {
  const none = byDefault === undefined ? (isNullable ? 'none' : '–') : `default, ${showText(byDefault, MAX_CHOICE)}`
  return html`<select id="${idOf(name)}" name="${name}"${aria}><option value="">${none}</option>${choices.map(
    (choice) => html`<option value="${choice}"${choice === chosen && html` selected`}>${wordOf(choice)}</option>`,
  )}</select>`
}

function wordOf(choice: string): string {
  const value: unknown = JSON.parse(choice)
  return showText(typeof value === 'string' ? value : choice, MAX_CHOICE)
}
