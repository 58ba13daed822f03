// One finding of `drover doctor`: what was looked at, how it is, and what to do about it.

export interface Finding {
  /** `error`: jobs can be lost or work is impossible; `warning`: less is certain than could be; `ok`: as it should be. */
  readonly level: 'ok' | 'warning' | 'error'
  readonly code: string
  /** What was seen. */
  readonly evidence: string
  /** What to do; none for `ok`. */
  readonly remedy?: string
}

export function ok(code: string, evidence: string): Finding {
  return { level: 'ok', code, evidence }
}
