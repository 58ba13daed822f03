// What rows do to processes, and how they wait for the right moment for it: told by the ledger, never by a time.
import type { FaultProcess } from './processes.js'
import type { RowContext } from './row.js'

type Context = RowContext<unknown>

/** The jobs that each process is in the middle of, by pid. */
function readRunning(lines: ReturnType<Context['ledger']>): Map<number, Set<string>> {
  const running = new Map<number, Set<string>>()
  for (const line of lines) {
    if (line.e === 'start') running.set(line.pid, (running.get(line.pid) ?? new Set()).add(line.id))
    if (line.e === 'end' || line.e === 'threw') running.get(line.pid)?.delete(line.id)
  }
  return running
}

/** Waits until this process is in the middle of so many jobs, or has ended. */
export async function untilBusy(context: Context, worker: FaultProcess, jobs = 1): Promise<void> {
  const isBusy = () => runningIn(context, worker) >= jobs
  await context.until(`process ${worker.pid} runs ${jobs} jobs`, () => worker.hasEnded() || isBusy())
}

/** How many jobs this process is in the middle of, or was when it ended. */
export function runningIn({ ledger }: Context, worker: FaultProcess): number {
  return readRunning(ledger()).get(worker.pid)?.size ?? 0
}

/** Waits until one of these is in the middle of a job, and gives one that is, by chance; none when it is too late. */
export async function anyBusy(
  context: Context,
  workers: readonly FaultProcess[],
  isTooLate: () => boolean,
): Promise<FaultProcess | undefined> {
  let busy: FaultProcess[] = []
  await context.until('a worker runs a job', () => {
    const running = readRunning(context.ledger())
    busy = workers.filter(({ pid }) => (running.get(pid)?.size ?? 0) > 0)
    return busy.length > 0 || isTooLate()
  })
  return busy.length > 0 ? context.random.pick(busy) : undefined
}

/** Ends a process with SIGTERM; it must go with code 0. Gives how long that took, in milliseconds. */
export async function endInOrder({ require }: Context, worker: FaultProcess): Promise<number> {
  const startedMs = performance.now()
  worker.signal('SIGTERM')
  const { code, signal } = await worker.ended
  require(code === 0, 'disorderly-end', `process ${worker.pid} ended with ${code ?? signal}: ${worker.complaints()}`)
  return performance.now() - startedMs
}

/** Waits until a process has killed itself at its crash point, and writes it down. */
export async function untilCrashed({ until, fault, require }: Context, victim: FaultProcess, where: string) {
  await until(`process ${victim.pid} has crashed at ${where}`, () => victim.hasEnded())
  const { signal } = await victim.ended
  require(signal === 'SIGKILL', 'no-crash', `the process never came to ${where}: ${victim.complaints()}`)
  fault(`crash at ${where}`, { pid: victim.pid })
}

/** The lines of a process's own log, as objects. */
export function parseLog(text: string): Readonly<Record<string, unknown>>[] {
  return text
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
