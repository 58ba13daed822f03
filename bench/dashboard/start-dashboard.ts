// Starts the dashboard's process, and asks it what it has used.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface BenchDashboard {
  readonly url: string
  readonly pid: number
  /** Seconds of CPU since its start. */
  cpuSeconds(): Promise<number>
  close(): Promise<void>
}

export async function startDashboard(redisUrl: string): Promise<BenchDashboard> {
  const file = fileURLToPath(new URL('./dashboard-process.ts', import.meta.url))
  const child = fork(file, [redisUrl], { execArgv: ['--import', 'tsx'] })
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  return {
    url,
    pid: child.pid ?? 0,
    cpuSeconds: async () => {
      child.send('cpu')
      const [{ cpu }] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage }]
      return (cpu.user + cpu.system) / 1e6
    },
    close: () => closeChild(child),
  }
}

async function closeChild(child: ChildProcess): Promise<void> {
  const closed = once(child, 'exit')
  child.disconnect()
  await closed
}

/** Keeps a process on one core, where the system can; says whether it did. */
export function keepOnCore(pid: number, core: number): boolean {
  return spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)]).status === 0
}
