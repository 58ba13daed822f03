// Whether dist/ was built from the sources as they are now: a hash of all that the build reads, kept beside its result.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { say } from './say.mjs'
import { SetupError } from './setup-error.mjs'

const OTHER_SOURCES = [
  'tsconfig.json',
  'tsconfig.build.json',
  'package-lock.json',
  'scripts/build.mjs',
  'scripts/copy-assets.mjs',
]

export const stampPath = (root) => join(root, 'dist', '.built-from')

export function hashSources(root) {
  const hash = createHash('sha256')
  for (const path of [...listFiles(root, 'src'), ...OTHER_SOURCES]) {
    const content = readFileSync(join(root, path))
    hash.update(`${path}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

export function buildIfStale(root) {
  const stamp = existsSync(stampPath(root)) ? readFileSync(stampPath(root), 'utf8') : undefined
  if (stamp === hashSources(root)) return
  say(stamp === undefined ? 'dist/ is missing or unfinished: building' : 'the sources changed: building')
  const run = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { cwd: root, stdio: ['ignore', 2, 2] })
  if (run.status !== 0) throw new SetupError('The build failed: the compiler names the places above.')
}

/** Paths below `folder`, sorted, relative to `root`. */
export function listFiles(root, folder) {
  const entries = readdirSync(join(root, folder), { withFileTypes: true })
  const paths = entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? listFiles(root, path) : [path]
  })
  return paths.sort()
}
