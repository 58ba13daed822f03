// The part of the build that is not the compiler's: every file of src/ that is not TypeScript (Lua scripts, style
// sheets, browser scripts, pictures) is copied to dist/, and what dist/ has from sources since deleted is removed.

import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { listFiles } from './setup/build-stamp.mjs'

const COMPILED = /\.(d\.ts|js|js\.map)$/

export function copyAssets(root) {
  for (const path of listFiles(root, 'src').filter((name) => !name.endsWith('.ts'))) {
    const target = join(root, path.replace(/^src\//, 'dist/'))
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(join(root, path), target)
  }
  const command = join(root, 'dist', 'cli', 'main.js')
  if (existsSync(command)) chmodSync(command, 0o755)
}

export function removeStale(root) {
  for (const path of listFiles(root, 'dist')) {
    const source = path.replace(/^dist\//, 'src/')
    const isCurrent = [source, source.replace(COMPILED, '.ts')].some((name) => existsSync(join(root, name)))
    if (!isCurrent) rmSync(join(root, path))
  }
}
