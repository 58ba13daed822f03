// One embedded server per data folder: a lock file names the process that owns the folder and the server it runs.
// The lock of an owner that was killed is taken over, and what is left of its server ended first.

import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RedisDirInUseError } from '../job/index.js'
import { endProcess, identifyProcess, isAlive, type ProcessIdentity } from './process-identity.js'

export interface FolderLock {
  /** Notes the server's pid, so that whoever takes a killed owner's lock over can end its server. */
  setServer(pid: number): void
  release(): void
}

interface LockContent {
  readonly owner: ProcessIdentity
  readonly server?: ProcessIdentity
}

const LOCK_FILE = 'owner.json'

/** Throws RedisDirInUseError while the owner of `folder` lives. `killAfterMs` is given to a server left behind. */
export async function lockFolder(folder: string, killAfterMs: number): Promise<FolderLock> {
  const path = join(folder, LOCK_FILE)
  const owner = identifyProcess(process.pid) ?? { pid: process.pid }
  for (;;) {
    if (createLock(path, { owner })) break
    const held = readLock(path)
    if (held === undefined) continue
    if (isAlive(held.content.owner)) throw new RedisDirInUseError(folder, held.content.owner.pid)
    // Before the lock goes: it is the only record of that server.
    if (held.content.server !== undefined) await endProcess(held.content.server, killAfterMs)
    removeStaleLock(path, held.text, folder)
  }
  return {
    setServer: (pid) => replaceLock(path, { owner, server: identifyProcess(pid) ?? { pid } }),
    release: () => rmSync(path, { force: true }),
  }
}

/** False when there is a lock. It appears with its content, never empty: written aside, then linked. */
function createLock(path: string, content: LockContent): boolean {
  const draft = writeDraft(path, content)
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
    return false
  } finally {
    rmSync(draft)
  }
}

function replaceLock(path: string, content: LockContent): void {
  renameSync(writeDraft(path, content), path)
}

function writeDraft(path: string, content: LockContent): string {
  const draft = asideName(path)
  writeFileSync(draft, JSON.stringify(content), { mode: 0o600 })
  return draft
}

function readLock(path: string): { text: string; content: LockContent } | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    return { text, content: JSON.parse(text) as LockContent }
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Of several processes that find the same stale lock one removes it, and none removes the lock of that one. */
function removeStaleLock(path: string, staleText: string, folder: string): void {
  const aside = asideName(path)
  try {
    renameSync(path, aside)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return
    throw error
  }
  const text = readFileSync(aside, 'utf8')
  if (text !== staleText) {
    linkSync(aside, path)
    rmSync(aside)
    throw new RedisDirInUseError(folder, (JSON.parse(text) as LockContent).owner.pid)
  }
  rmSync(aside)
}

function asideName(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}
