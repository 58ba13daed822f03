// How far a long enqueue is, on standard error: a bar that is drawn over on a terminal, else a line now and then.
import { formatDuration } from '../../job/index.js'

const WIDTH = 30
const REDRAW_MS = 100
const LINE_EVERY_MS = 5_000
const CLEAR_LINE = '\r\u001b[2K'

export interface Progress {
  /** `share` from 0 to 1, or null when the end is not known. */
  show(share: number | null, text: string): void
  /** Takes the bar away. */
  end(): void
}

/** For `--json`, nothing is shown. */
export function createProgress({ json }: { readonly json: boolean }): Progress {
  if (json) return { show: () => undefined, end: () => undefined }
  const isTerminal = process.stderr.isTTY
  let lastAt = isTerminal ? Number.NEGATIVE_INFINITY : performance.now()
  return {
    show: (share, text) => {
      const now = performance.now()
      if (now - lastAt < (isTerminal ? REDRAW_MS : LINE_EVERY_MS)) return
      lastAt = now
      process.stderr.write(isTerminal ? `${CLEAR_LINE}${drawBar(share)}${text}` : `${percent(share)}${text}\n`)
    },
    end: () => {
      if (isTerminal) process.stderr.write(CLEAR_LINE)
    },
  }
}

/** `12,000 jobs in 1.5s, 8,000 a second`. */
export function describeSpeed(count: number, ms: number): string {
  const rate = ms > 0 ? `, ${Math.round((count / ms) * 1_000).toLocaleString('en-US')} a second` : ''
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'job' : 'jobs'} in ${formatDuration(Math.round(ms))}${rate}`
}

function drawBar(share: number | null): string {
  if (share === null) return ''
  const filled = Math.round(share * WIDTH)
  return `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${percent(share)}`
}

function percent(share: number | null): string {
  return share === null ? '' : `${Math.floor(share * 100)}% `
}
