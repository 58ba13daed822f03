// Where Postgres's own programs are: Debian, Alpine and Homebrew keep them apart from PATH, a folder for each version.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, isProgram } from './find-program.mjs'

const VERSIONED = [
  { parent: '/usr/lib/postgresql', bin: 'bin' },
  { parent: '/usr/libexec', bin: '', name: /^postgresql/ },
  { parent: '/opt/homebrew/opt', bin: 'bin', name: /^postgresql/ },
]

/** The path of `initdb` or `postgres`, of the newest version, or undefined. */
export function findPostgresProgram(name) {
  const folders = VERSIONED.flatMap(({ parent, bin, name = /./ }) => {
    const versions = foldersIn(parent).filter((folder) => name.test(folder))
    return versions.sort((a, b) => numberIn(b) - numberIn(a)).map((folder) => join(parent, folder, bin))
  })
  return folders.map((folder) => join(folder, name)).find(isProgram) ?? findProgram([name])
}

const numberIn = (folder) => Number(/\d+/.exec(folder)?.[0] ?? 0)

function foldersIn(parent) {
  try {
    return readdirSync(parent)
  } catch {
    return []
  }
}
