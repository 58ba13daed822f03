// One finding about the health of queues, workers or Redis: what was looked at, how it is, what to do about it, and what it
// is about. `drover doctor` prints findings, the dashboard's overview shows those that are problems.

/** What a finding is about: where a page about it would be. */
export type About =
  | { readonly kind: 'redis' }
  | { readonly kind: 'queue'; readonly queue: string }
  | { readonly kind: 'job'; readonly queue: string; readonly job: string }
  | { readonly kind: 'run'; readonly queue: string; readonly id: string }
  | { readonly kind: 'workers'; readonly worker?: string }
  | { readonly kind: 'schedules'; readonly queue: string }

export interface Finding {
  /** `error`: jobs can be lost or work is impossible; `warning`: less is certain than could be; `ok`: as it should be. */
  readonly level: 'ok' | 'warning' | 'error'
  readonly code: string
  /** What was seen, a sentence. */
  readonly evidence: string
  /** What to do; none for `ok`. */
  readonly remedy?: string
  readonly about?: About
}

export function ok(code: string, evidence: string): Finding {
  return { level: 'ok', code, evidence }
}

export interface Described {
  readonly level: 'warning' | 'error'
  readonly code: string
  readonly evidence: (shown: string) => string
  readonly remedy: string
  readonly about?: About
}

const SHOWN = 5

/** One finding for all of these names, with the first of them; none when there are none. */
export function describeNames(names: readonly string[], { evidence, ...finding }: Described): Finding[] {
  if (names.length === 0) return []
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ''
  return [{ ...finding, evidence: evidence(`${names.slice(0, SHOWN).join(', ')}${more}`) }]
}
