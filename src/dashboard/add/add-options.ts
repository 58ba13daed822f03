// The options of an enqueue that the form for a new job has: as texts, and as the producer takes them, which checks them.
import type { AddOptions } from '../options.js'
import { type FormBody, textOf } from './read-form.js'

export interface OptionField {
  /** As the producer, and its errors, call it. */
  readonly option: keyof AddOptions
  readonly label: string
  readonly hint: string
}

export const OPTION_FIELDS: readonly OptionField[] = [
  { option: 'delay', label: 'Delay', hint: 'such as 10m or 2h; empty: it may start at once' },
  { option: 'priority', label: 'Priority', hint: '1 is first, 2097151 last; empty: before all that have one' },
  { option: 'attempts', label: 'Attempts', hint: "most runs; empty: as the job's contract says" },
  { option: 'key', label: 'Idempotency key', hint: 'the same key and input again make no second job' },
  { option: 'tags', label: 'Tags', hint: 'up to 10, with spaces between' },
]

/** Name of an option's field in the form. */
export function optionName(option: string): string {
  return `option/${option}`
}

/** What was given, each in the kind that its option has; a number that is none stays text, which the producer refuses. */
export function readOptions(body: FormBody): AddOptions {
  const given = OPTION_FIELDS.map(({ option }) => [option, textOf(body, optionName(option)).trim()] as const)
  return Object.fromEntries(
    given.filter(([, text]) => text !== '').map(([option, text]) => [option, readOption(option, text)]),
  )
}

function readOption(option: keyof AddOptions, text: string): unknown {
  if (option === 'tags') return text.split(/[\s,]+/).filter((tag) => tag !== '')
  if (option === 'priority' || option === 'attempts') return /^\d{1,10}$/.test(text) ? Number(text) : text
  return text
}
