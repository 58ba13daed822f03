// Signals that steer a worker process without ending it; those that end it are in shutdown-signals.ts.
import { isatty } from 'node:tty'
import type { Logger } from 'pino'
import type { Worker } from '../worker/index.js'

const MOST_AT_ONCE = 10_000
/** They would end a process at once, without a word and with its jobs in the midst. */
const UNKNOWN = ['SIGUSR2', 'SIGALRM'] as const

/**
 * SIGTSTP: the worker takes no more jobs. SIGCONT: it does again, unless an order of `drover workers` came before or since.
 * SIGTTIN and SIGTTOU: each queue runs one job more or fewer at once, down to one. In a terminal, Ctrl-Z keeps its meaning.
 */
export function steerBySignals(worker: Worker): void {
  if (process.platform === 'win32' || isatty(0)) return
  process.on('SIGTSTP', () => worker.quiet('signal'))
  process.on('SIGCONT', () => worker.resume('signal'))
  // One after the other: two signals at once are two steps.
  let changes: Promise<void> = Promise.resolve()
  const step = (by: number) => {
    changes = changes.then(() => changeConcurrency(worker, by))
  }
  process.on('SIGTTIN', () => step(1))
  process.on('SIGTTOU', () => step(-1))
}

/** A signal that nobody gave a meaning is told and changes nothing. */
export function tellUnknownSignals(logger: Logger): void {
  if (process.platform === 'win32') return
  for (const signal of UNKNOWN) {
    process.on(signal, () => logger.warn({ signal }, 'signal without a meaning here, nothing was changed'))
  }
}

async function changeConcurrency(worker: Worker, by: number): Promise<void> {
  const { queues } = await worker.health()
  for (const { queue, concurrency } of queues) {
    const wanted = concurrency + by
    if (wanted >= 1 && wanted <= MOST_AT_ONCE) worker.setConcurrency(queue, wanted)
  }
}
