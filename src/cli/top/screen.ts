// A terminal's second screen, drawn over and over: taken, written and given back as it was.
import type { ScreenSize } from './draw-top.js'

// Without wrapping: a character that is two columns wide would push the lines below it out of place.
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const CLEAR_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

export interface Screen {
  readonly size: ScreenSize
  draw(lines: readonly string[]): void
  /** Gives the terminal back for a while, and takes it again. */
  leave(): void
  enter(): void
  /** Gives the terminal back. Can be called again. */
  close(): void
}

/** Takes the terminal. It is given back at the exit of the process, too, whatever ends it but SIGKILL. */
export function openScreen(stream: NodeJS.WriteStream): Screen {
  let isOpen = false
  const enter = () => {
    if (!isOpen) stream.write(ENTER)
    isOpen = true
  }
  const leave = () => {
    if (isOpen) stream.write(LEAVE)
    isOpen = false
  }
  const close = () => {
    leave()
    process.removeListener('exit', close)
  }
  enter()
  process.on('exit', close)
  return {
    get size() {
      return { columns: stream.columns || 80, rows: stream.rows || 24 }
    },
    draw(lines) {
      if (isOpen) stream.write(`${HOME}${lines.map((line) => line + CLEAR_LINE).join('\r\n')}${CLEAR_BELOW}`)
    },
    leave,
    enter,
    close,
  }
}
