// What a test run left behind: processes that still run on its folder, and temporary folders that it did not remove.

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

// A server whose owner has gone gets 10 s to end by itself before it is killed: longer than that is a leak.
const PATIENCE_MS = 15_000

/** Resolves to one line per leftover. `folder` was the run's TMPDIR; processes are seen where there is a /proc. */
export async function findLeftovers(folder) {
  const deadline = performance.now() + PATIENCE_MS
  while (findProcesses(folder).length > 0 && performance.now() < deadline) await sleep(100)
  const processes = findProcesses(folder).map(({ pid, name }) => `process ${pid} (${name}) still runs`)
  const folders = readdirSync(folder).filter((name) => name.startsWith('drover-'))
  return [...processes, ...folders.map((name) => `temporary folder ${name} was not removed`)]
}

/** `[{ pid, name }]` of the processes that were started with `folder` as TMPDIR or work inside it. */
export function findProcesses(folder) {
  if (!existsSync('/proc/self/environ')) return []
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.filter((pid) => belongsTo(pid, folder)).map((pid) => ({ pid: Number(pid), name: readName(pid) }))
}

function belongsTo(pid, folder) {
  try {
    // Redis writes over its environment, but it works in its data folder.
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    return environment.includes(`TMPDIR=${folder}`) || `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`)
  } catch {
    // It has ended, or belongs to another user.
    return false
  }
}

function readName(pid) {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return 'ended'
  }
}
