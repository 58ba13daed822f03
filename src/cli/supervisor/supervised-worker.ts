// In a worker process below a supervisor: how it tells of itself, and how it ends with it.
import type { Settings } from '../../config/index.js'
import { UsageError } from '../../job/index.js'
import type { Worker } from '../../worker/index.js'
import { readWhole } from '../option-values.js'
import { STEERING_SIGNALS, type ToProcess, tellSupervisor } from './messages.js'
import { watchLimits } from './worker-limits.js'

/** The number of this process; undefined when it has no supervisor. @throws UsageError, InvalidOptionError */
export function readProcessNumber(value: unknown): number | undefined {
  const number = readWhole('--process-number', value)
  if (number !== undefined && !process.connected) {
    throw new UsageError('--process-number is for the processes of drover worker --processes')
  }
  return number
}

/** To be called once the worker takes jobs, and its signals have their listeners. */
export function joinSupervisor(worker: Worker, settings: Settings): void {
  watchLimits(worker, settings)
  process.on('message', ({ kind, id, question }: ToProcess) => {
    if (kind !== 'health') return
    void worker.health(question).then((health) => tellSupervisor({ kind: 'health', id, health }))
  })
  const signals = STEERING_SIGNALS.filter((signal) => process.listenerCount(signal) > 0)
  void tellSupervisor({ kind: 'ready', signals })
}

/** To be called when somebody else than the supervisor told the worker to close: then nothing is to take its place. */
export function leaveSupervisor(): Promise<void> {
  return tellSupervisor({ kind: 'leaving' })
}
