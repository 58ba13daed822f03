// Finds the server program for the embedded Redis, and knows how a person gets one.

import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { RedisBinaryMissingError } from '../job/index.js'

const NAMES = ['redis-server', 'valkey-server'] as const

/** Where servers are installed that are not on every user's PATH. */
export const REDIS_BINARY_FOLDERS: readonly string[] = ['/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin']

/** How to get a Redis server, by system. */
export const REDIS_INSTALL_COMMANDS: Readonly<Record<string, string>> = {
  'Debian, Ubuntu': 'sudo apt-get install redis-server',
  Fedora: 'sudo dnf install valkey',
  Alpine: 'sudo apk add redis',
  macOS: 'brew install redis',
  Docker: 'docker run -p 6379:6379 redis   with REDIS_URL=redis://127.0.0.1:6379 set here',
}

/**
 * The path of redis-server, else of valkey-server: on `path` (the PATH variable), else in REDIS_BINARY_FOLDERS.
 * Throws RedisBinaryMissingError when there is neither.
 */
export function findRedisBinary(path = process.env.PATH ?? '', folders = REDIS_BINARY_FOLDERS): string {
  const places = [...path.split(delimiter).filter((folder) => folder !== ''), ...folders]
  for (const name of NAMES) {
    const found = places.map((folder) => join(folder, name)).find(isProgram)
    if (found !== undefined) return found
  }
  throw new RedisBinaryMissingError(folders, REDIS_INSTALL_COMMANDS)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    // Not there, or not for us to run: the next place is tried.
    return false
  }
}
