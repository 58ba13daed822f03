// Runs examples/text-index as `npm start` does, and finds the processes that belong to a run.
import { fileURLToPath } from 'node:url'
import { type RunningCommand, startCommand } from './drover-cli.js'

const MAIN = fileURLToPath(new URL('../../examples/text-index/main.ts', import.meta.url))

/** What `--json` prints. */
export interface RunNumbers {
  readonly jobs: number
  readonly completed: number
  readonly failed: number
  readonly counters: Readonly<Record<string, number>>
  readonly topWords: readonly (readonly [word: string, count: number])[]
  readonly seconds: number
}

/** Starts the example with `folder` for its data and its temporary files. */
export function startTextIndex(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningCommand {
  const program = ['--import', import.meta.resolve('tsx'), MAIN, ...args]
  return startCommand(process.execPath, program, { cwd: folder, env: { TMPDIR: folder, ...env } })
}

/** The numbers on the last line of what a run printed. */
export function numbersOf(stdout: string): RunNumbers {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as RunNumbers
}

/** The processes of all runs in `folder` that have not ended; where there is no /proc, none is found. */
export async function processesOf(folder: string): Promise<{ pid: number; name: string }[]> {
  const leftovers = new URL('../../scripts/setup/leftovers.mjs', import.meta.url).href
  const { findProcesses } = (await import(leftovers)) as {
    findProcesses: (folder: string) => { pid: number; name: string }[]
  }
  return findProcesses(folder)
}
