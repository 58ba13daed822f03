// Runs one child process to its end and hands it the signals that this process gets, each once.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH']
// A Ctrl-C under npm comes twice, from the terminal and from npm, within milliseconds; a person's second one comes later.
const SAME_PRESS_MS = 500

/** Resolves to the child's exit code, or 128 plus the number of the signal that ended it, as a shell counts. */
export function runChild(command, args, { env = process.env, stdin = 'inherit', samePressMs = SAME_PRESS_MS } = {}) {
  // In a session of its own the child does not get the terminal's Ctrl-C as well as the one passed on here.
  const child = spawn(command, args, { env, stdio: [stdin, 'inherit', 'inherit'], detached: true })
  const lastAt = new Map()
  const forward = (signal) => {
    const now = performance.now()
    const isRepeat = now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < samePressMs
    lastAt.set(signal, now)
    if (!isRepeat) child.kill(signal)
  }
  for (const signal of FORWARDED) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      for (const name of FORWARDED) process.off(name, forward)
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}
