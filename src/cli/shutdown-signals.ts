// Signals that ask a command to end: the first one closes in order, a second one ends the process at once.
import { InterruptedError } from '../job/index.js'
import { exitCodeOfSignal } from './exit-codes.js'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
export type ShutdownSignal = (typeof SIGNALS)[number]

// Under npm, one Ctrl-C comes twice: from the terminal, and from npm as soon as a busy machine lets it. A person who has
// not seen the command end takes longer.
const SAME_PRESS_MS = 1_000

/** Resolves at the first of these signals. From then on, another one calls `atSecond` and exits with 128 plus its number. */
export function untilShutdownSignal(
  atSecond: () => void = () => undefined,
  signals: readonly ShutdownSignal[] = SIGNALS,
): Promise<ShutdownSignal> {
  let firstAt: number | undefined
  return new Promise((resolve) => {
    for (const signal of signals) {
      process.on(signal, () => {
        const now = performance.now()
        firstAt ??= now
        resolve(signal)
        if (now === firstAt || now - firstAt < SAME_PRESS_MS) return
        atSecond()
        process.exit(exitCodeOfSignal(signal))
      })
    }
  })
}

/** Aborts, with an InterruptedError saying what holds then, when a signal comes while `work` runs. */
export async function interruptible<Result>(
  done: () => string,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController()
  const abort = (signal: ShutdownSignal) => controller.abort(new InterruptedError(signal, done()))
  for (const signal of SIGNALS) process.once(signal, abort)
  try {
    return await work(controller.signal)
  } finally {
    for (const signal of SIGNALS) process.off(signal, abort)
  }
}
