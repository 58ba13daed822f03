// Which process a number means: a pid together with its start, so that a later process of the same pid is not taken
// for it. Used for the owner and the server of a data folder.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProcessIdentity {
  readonly pid: number
  /** Differs between two processes that had the same pid; absent where the system does not tell. */
  readonly startedAt?: string
}

const HAS_PROC = existsSync('/proc/self/stat')
const POLL_MS = 20

/** The process that has this pid now, or undefined when none has. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!canSignal(pid)) return undefined
  return HAS_PROC ? readProc(pid) : askPs(pid)
}

export function isAlive(process: ProcessIdentity): boolean {
  const now = identifyProcess(process.pid)
  return now !== undefined && now.startedAt === process.startedAt
}

/** Sends SIGTERM, after `killAfterMs` SIGKILL, and resolves when the process is gone. */
export async function endProcess(target: ProcessIdentity, killAfterMs: number): Promise<void> {
  const deadline = performance.now() + killAfterMs
  sendSignal(target, 'SIGTERM')
  while (isAlive(target) && performance.now() < deadline) await sleep(POLL_MS)
  sendSignal(target, 'SIGKILL')
  while (isAlive(target)) await sleep(POLL_MS)
}

function sendSignal(target: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (!isAlive(target)) return
  try {
    process.kill(target.pid, signal)
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function canSignal(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there, and another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function readProc(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold spaces; behind it come the state (field 3) and the start in ticks (field 22).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // An ended process that nobody has reaped still has its pid.
    if (fields[0] === 'Z') return undefined
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return { pid, startedAt: `${boot}:${fields[19]}` }
  } catch {
    // It ended meanwhile.
    return undefined
  }
}

function askPs(pid: number): ProcessIdentity | undefined {
  try {
    const startedAt = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return { pid, startedAt }
  } catch {
    // ps says with its exit code that there is no such process.
    return undefined
  }
}
