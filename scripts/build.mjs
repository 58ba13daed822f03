// Builds dist/ from src/: the compiler, then the files it leaves alone. `npm run build`.

import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { copyAssets, removeStale } from './copy-assets.mjs'
import { hashSources, stampPath } from './setup/build-stamp.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

// Read before the compiler runs: a source that changes meanwhile makes the stamp differ, and the next start builds again.
const builtFrom = hashSources(root)
rmSync(stampPath(root), { force: true })
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)
copyAssets(root)
removeStale(root)
writeFileSync(stampPath(root), builtFrom)
