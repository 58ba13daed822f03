// Finds a program by name, on PATH and where servers are installed that are not on every user's PATH.

import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The same folders as src/redis/redis-binary.ts looks in. */
export const EXTRA_FOLDERS = ['/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin']

/** The path of the first of `names` that can be run, or undefined. */
export function findProgram(names) {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...EXTRA_FOLDERS]
  for (const name of names) {
    const found = folders.map((folder) => join(folder, name)).find(isProgram)
    if (found !== undefined) return found
  }
  return undefined
}

export function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
