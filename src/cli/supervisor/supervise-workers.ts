// `drover worker` with several processes, or with limits: the supervisor, its log and its signals.
import { closeSync, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { fileURLToPath } from 'node:url'
import type { Settings } from '../../config/index.js'
import { flushThrottled } from '../../job/index.js'
import { exitCodeOfSignal } from '../exit-codes.js'
import { createLogger, standardOutput } from '../log.js'
import type { Output } from '../output.js'
import { type ShutdownSignal, untilShutdownSignal } from '../shutdown-signals.js'
import { tellUnknownSignals } from '../steering-signals.js'
import { openHealth } from '../worker-health.js'
import { ManagedProcess } from './managed-process.js'
import { STEERING_SIGNALS } from './messages.js'
import { Supervisor } from './supervisor.js'

const COMMAND = fileURLToPath(new URL('../main.js', import.meta.url))
/** What a process may take beyond its shutdown timeout, to hand its jobs back and to end, before it is killed. */
const KILL_GRACE_MS = 10_000
const ENDING = ['SIGINT', 'SIGTERM'] as const satisfies readonly ShutdownSignal[]

/** True when the settings ask for more than this process alone can do. */
export function needsSupervisor({ processes, maxMemoryBytes, maxJobs }: Settings): boolean {
  return processes > 1 || maxMemoryBytes !== undefined || maxJobs !== undefined
}

/** Runs the processes until a signal ends them, and gives the exit code. `words` are those after `drover worker`. */
export async function superviseWorkers(settings: Settings, words: readonly string[], out: Output): Promise<number> {
  const { processes, concurrency, maxMemoryBytes, maxJobs, shutdownTimeoutMs } = settings
  const logger = await createLogger(settings, out)
  const output = standardOutput()
  const supervisor = new Supervisor({
    processes,
    logger,
    launch: ({ number, onMessage }) =>
      new ManagedProcess({
        number,
        file: COMMAND,
        words: ['worker', '--with-parent', '--process-number', `${number}`, ...words],
        killAfterMs: shutdownTimeoutMs + KILL_GRACE_MS,
        onLine: (line) => output.write(`${line}\n`),
        onMessage: (message) => {
          if (message.kind === 'ready') passSteering(supervisor, message.signals)
          onMessage(message)
        },
      }),
  })
  const health = await openHealth(settings, logger, (question) => supervisor.health(question))
  logger.info({ processes, concurrency, maxMemoryBytes, maxJobs }, 'supervisor started')
  const end = (signal: ShutdownSignal) => {
    logger.info({ signal, waitUpToMs: shutdownTimeoutMs }, 'supervisor closing')
    return supervisor.close()
  }
  tellUnknownSignals(logger)
  const secondSignal = () => {
    flushThrottled(logger)
    logger.warn('second signal, every process ends now')
    supervisor.kill()
  }
  rollOnHangup(supervisor, () => void end('SIGHUP'), secondSignal)
  void untilShutdownSignal(secondSignal, ENDING).then(end)
  const code = await supervisor.run()
  await health?.close()
  flushThrottled(logger)
  logger.info({ code }, 'supervisor closed')
  return code
}

/** SIGHUP asks for a rolling restart, but for the one that the end of the terminal sends, which asks to end. */
function rollOnHangup(supervisor: Supervisor, end: () => void, atSecond: () => void): void {
  const hadTerminal = hasTerminal()
  let isEnding = false
  process.on('SIGHUP', () => {
    if (!hadTerminal || hasTerminal()) return supervisor.restartAll()
    if (isEnding) {
      atSecond()
      process.exit(exitCodeOfSignal('SIGHUP'))
    }
    isEnding = true
    end()
  })
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    // ENXIO or EIO: none, or none any more.
    return false
  }
}

/** Signals that the processes act on are theirs, once the first of them has said which those are; Ctrl-Z is the terminal's. */
function passSteering(supervisor: Supervisor, signals: readonly NodeJS.Signals[]): void {
  if (isatty(0)) return
  for (const signal of STEERING_SIGNALS) {
    if (!signals.includes(signal) || process.listenerCount(signal) > 0) continue
    process.on(signal, () => {
      for (const each of supervisor.processes) each.forward(signal)
    })
  }
}
