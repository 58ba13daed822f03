// Shows on a terminal a bar that moves, elsewhere a line now and then. Everything this example prints goes through here,
// so that lines and bar do not mix.

export interface Count {
  /** Files found so far. */
  readonly found: number
  /** Of these, files whose job completed or failed. */
  readonly done: number
  /** True while the directory is still being read. */
  readonly isGrowing: boolean
}

const BAR_WIDTH = 30
const LINE_EVERY_MS = 2_000
const CLEAR_LINE = '\r\x1b[K'

export class Progress {
  readonly #isTerminal = process.stdout.isTTY === true
  #startedAt: number | undefined
  #lastLineAt = 0
  #bar = ''

  show({ found, done, isGrowing }: Count): void {
    const now = performance.now()
    if (this.#startedAt === undefined) this.#startedAt = this.#lastLineAt = now
    const seconds = (now - this.#startedAt) / 1000
    const total = `${formatCount(found)}${isGrowing ? '+' : ''}`
    const perSecond = seconds === 0 ? 0 : Math.round(done / seconds)
    const numbers = `${formatCount(done)} of ${total} files, ${formatCount(perSecond)}/s`
    if (this.#isTerminal) {
      const filled = found === 0 ? 0 : Math.floor((BAR_WIDTH * done) / found)
      this.#bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${numbers}`
      process.stdout.write(CLEAR_LINE + this.#bar)
    } else if (now - this.#lastLineAt >= LINE_EVERY_MS) {
      this.#lastLineAt = now
      process.stdout.write(`${numbers}\n`)
    }
  }

  /** Prints a line above the bar. */
  say(line: string): void {
    process.stdout.write(`${this.#bar === '' ? '' : CLEAR_LINE}${line}\n${this.#bar}`)
  }

  /** Hands on what another process wrote to standard error. */
  warn(text: string): void {
    if (this.#bar !== '') process.stdout.write(CLEAR_LINE)
    process.stderr.write(text)
  }

  /** Ends the bar; what is said next stands below it. */
  end(): void {
    if (this.#bar !== '') process.stdout.write('\n')
    this.#bar = ''
  }
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}
