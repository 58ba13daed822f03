// What keeps a large job from freezing bull-board's page: long values are sent cut. A cut value must never come back as
// a job's input, so that is refused.
import type { BoardHooks } from '@bull-board/api/typings/app'
import { isRedacted } from './redact.js'

/** Characters of a value, error or stack that bull-board gets. */
export const MAX_CHARACTERS = 32_768
const CUT = 'drover:cut'

/** The value, or when its JSON is too long, the first part of that JSON with a note of what is missing. */
export function cutValue(value: unknown): unknown {
  const text = JSON.stringify(value) ?? ''
  if (text.length <= MAX_CHARACTERS) return value
  return { [CUT]: `first ${MAX_CHARACTERS} of ${text.length} characters`, text: text.slice(0, MAX_CHARACTERS) }
}

/** Why a value cannot be a job's input: it is what `cutValue` made, or parts of it are not shown. Forms start from those. */
export function whyNotInput(value: unknown): string | undefined {
  if (isCut(value)) return 'The data is too long to be shown here in full, so it cannot be copied here.'
  if (isRedacted(value)) return 'Parts of the data are not shown here (option redact), so it cannot be copied here.'
  return undefined
}

/** Cuts the errors and stacks of the jobs in an answer; data, return value and progress are cut as they are formatted. */
export const cutLargeTexts: NonNullable<BoardHooks['after']> = (_context, result) => {
  for (const job of jobsOf(result.body)) {
    if (typeof job.failedReason === 'string') job.failedReason = cutText(job.failedReason)
    if (Array.isArray(job.stacktrace)) job.stacktrace = job.stacktrace.map((stack) => cutText(String(stack)))
  }
  return result
}

interface ShownJob {
  failedReason?: unknown
  stacktrace?: unknown
}

function jobsOf(body: unknown): ShownJob[] {
  const { queues, job } = (body ?? {}) as { queues?: { jobs?: ShownJob[] }[]; job?: ShownJob }
  return [...(queues ?? []).flatMap(({ jobs }) => jobs ?? []), ...(job === undefined ? [] : [job])]
}

function cutText(text: string): string {
  if (text.length <= MAX_CHARACTERS) return text
  return `${text.slice(0, MAX_CHARACTERS)}… (first ${MAX_CHARACTERS} of ${text.length} characters)`
}

function isCut(value: unknown): boolean {
  return typeof value === 'object' && value !== null && CUT in value
}
