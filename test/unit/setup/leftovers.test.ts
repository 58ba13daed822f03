import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PATIENCE } from '../../support/until.js'

const { findLeftovers, findProcesses } = await import(
  new URL('../../../scripts/setup/leftovers.mjs', import.meta.url).href
)
const hasProc = existsSync('/proc/self/environ')

let folder: string
let processes: ChildProcess[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drover-leftovers-'))
  processes = []
})

afterEach(async () => {
  for (const child of processes) await end(child)
  rmSync(folder, { recursive: true })
})

function start(options: { cwd?: string; env?: NodeJS.ProcessEnv }): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore', ...options })
  processes.push(child)
  return child
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

test.runIf(hasProc)(
  'a process started with the folder as TMPDIR, or working in it, is found; no other is',
  async () => {
    mkdirSync(join(folder, 'data'))
    const started = start({ env: { ...process.env, TMPDIR: folder } })
    const working = start({ cwd: join(folder, 'data') })
    start({ env: { ...process.env, TMPDIR: `${folder}-2` } })

    const pids = () => findProcesses(folder).map(({ pid }: { pid: number }) => pid)
    await vi.waitFor(() => expect(new Set(pids())).toEqual(new Set([started.pid, working.pid])), PATIENCE)
  },
)

test.runIf(hasProc)('a process that ends while it is waited for is no leftover', async () => {
  const child = start({ cwd: folder })
  await vi.waitFor(() => expect(findProcesses(folder)).toHaveLength(1), PATIENCE)
  const leftovers = findLeftovers(folder)
  await end(child)

  expect(await leftovers).toEqual([])
})

test('a folder of a test that is still there is named, what other tools keep is not', async () => {
  mkdirSync(join(folder, 'drover-test-redis-Ab3'))
  mkdirSync(join(folder, 'tsx-0'))

  expect(await findLeftovers(folder)).toEqual(['temporary folder drover-test-redis-Ab3 was not removed'])
})
