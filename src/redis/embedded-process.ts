// The two processes behind an embedded server, as one: the watchdog that we start, and the server that it starts.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { endProcess, identifyProcess } from './process-identity.js'

/** How the server ended: its exit code, or the signal that ended it; both null when that is not known. */
export interface EmbeddedRedisExit {
  readonly code: number | null
  readonly signal: string | null
}

export interface ServerProcess {
  /** The server's pid; undefined when it could not be started at all. */
  readonly pid: number | undefined
  /** Resolves when the server has ended, whoever ended it, and is never rejected. */
  readonly exited: Promise<EmbeddedRedisExit>
  /** What the server printed on standard error: the reason, when it did not start. */
  printed(): string
  /** Ends the server: SIGTERM, on which it writes out its log of changes, then SIGKILL. */
  end(): Promise<void>
}

export interface ServerCommand {
  readonly binary: string
  readonly configFile: string
  readonly dir: string
  readonly killAfterMs: number
}

type Watchdog = ChildProcessByStdio<Writable, Readable, Readable>

const WATCHDOG = fileURLToPath(new URL('./embedded-watchdog.mjs', import.meta.url))
const MAX_PRINTED_CHARACTERS = 4_000

/** Resolves once the server has a pid, or has failed to get one. */
export async function startServerProcess(command: ServerCommand): Promise<ServerProcess> {
  const watchdog = startWatchdog(command)
  let printed = ''
  watchdog.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(-MAX_PRINTED_CHARACTERS)
  })
  // Its end is seen as 'exited'; writing to a pipe that closed is how it ends.
  watchdog.stdin.on('error', () => undefined)
  const { pid, exited } = await readReports(watchdog, command.killAfterMs)
  return {
    pid,
    exited,
    printed: () => printed.trim(),
    end: async () => {
      watchdog.stdin.end()
      await exited
    },
  }
}

function startWatchdog({ binary, configFile, dir, killAfterMs }: ServerCommand): Watchdog {
  // NODE_OPTIONS is for our process: a loader or a debugger port in it would break or slow the watchdog.
  const { NODE_OPTIONS: _, ...env } = process.env
  return spawn(process.execPath, [WATCHDOG, binary, configFile, String(killAfterMs)], {
    cwd: dir,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    // Out of the terminal's process group: Ctrl-C is for us, and the server must outlive our last command.
    detached: true,
  })
}

function readReports(
  watchdog: Watchdog,
  killAfterMs: number,
): Promise<{ pid: number | undefined; exited: Promise<EmbeddedRedisExit> }> {
  let pid: number | undefined
  let exit: EmbeddedRedisExit | undefined
  const closed = new Promise<void>((resolve) => watchdog.once('close', () => resolve()))
  const reports = createInterface(watchdog.stdout)
  return new Promise((resolve, reject) => {
    const exited = new Promise<EmbeddedRedisExit>((resolveExit) => {
      // The watchdog alone holds this pipe, so it has ended. 'close' comes when the server, which holds another, has too.
      reports.once('close', async () => {
        // No report: the watchdog itself was killed, and the server is left to us.
        if (exit === undefined && pid !== undefined) await endLeftBehind(pid, killAfterMs)
        await closed
        resolveExit(exit ?? { code: null, signal: null })
        resolve({ pid, exited })
      })
    })
    watchdog.once('error', reject)
    reports.on('line', (line) => {
      const report = JSON.parse(line) as { pid: number } | EmbeddedRedisExit
      if ('pid' in report) {
        pid = report.pid
        resolve({ pid, exited })
      } else exit = report
    })
  })
}

async function endLeftBehind(pid: number, killAfterMs: number): Promise<void> {
  const server = identifyProcess(pid)
  if (server !== undefined) await endProcess(server, killAfterMs)
}
