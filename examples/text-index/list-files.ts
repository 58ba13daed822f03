// Finds the text files below a directory, one after the other, so that a large tree takes no more memory than a small one.
import type { Dirent } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_FILE_BYTES } from './jobs.js'

/** Files that were found and left out. */
export interface LeftOut {
  /** Files with a NUL byte in their first 8 KiB. */
  binary: number
  /** Files over MAX_FILE_BYTES. */
  readonly large: string[]
  /** Directories that could not be listed. */
  readonly unreadable: string[]
}

const BINARY_PROBE_BYTES = 8_192
/** Files looked into at once. */
const PROBES_AT_ONCE = 32
/** Git's own files, and the data of the Redis that this very run writes to. */
const SKIPPED_DIRECTORIES = new Set(['.git', '.drover'])

/**
 * Paths relative to `root`, in the order of their names. Symbolic links are not followed. A file that cannot be opened is
 * listed: its own job fails and says why.
 */
export async function* listTextFiles(root: string, leftOut: LeftOut, signal: AbortSignal): AsyncGenerator<string> {
  const directories = ['']
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    const entries = await listDirectory(root, directory, leftOut)
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(directory, entry.name))
    const below = entries.filter((entry) => entry.isDirectory() && !SKIPPED_DIRECTORIES.has(entry.name))
    // The last one pushed is the next one listed.
    for (const entry of below.reverse()) directories.push(join(directory, entry.name))
    for (let start = 0; start < files.length; start += PROBES_AT_ONCE) {
      signal.throwIfAborted()
      const next = files.slice(start, start + PROBES_AT_ONCE)
      const kinds = await Promise.all(next.map((path) => kindOf(join(root, path))))
      for (const [index, path] of next.entries()) {
        if (kinds[index] === 'text') yield path
        else if (kinds[index] === 'large') leftOut.large.push(path)
        else leftOut.binary += 1
      }
    }
  }
}

async function listDirectory(root: string, directory: string, leftOut: LeftOut): Promise<Dirent[]> {
  try {
    const entries = await readdir(join(root, directory), { withFileTypes: true })
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if (directory === '') throw error
    leftOut.unreadable.push(directory)
    return []
  }
}

async function kindOf(path: string): Promise<'text' | 'binary' | 'large'> {
  try {
    await using file = await open(path)
    if ((await file.stat()).size > MAX_FILE_BYTES) return 'large'
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(BINARY_PROBE_BYTES) })
    return buffer.subarray(0, bytesRead).includes(0) ? 'binary' : 'text'
  } catch {
    // Not readable, or gone since it was listed. Its job says so, where people look for what went wrong.
    return 'text'
  }
}
