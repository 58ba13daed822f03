import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const scripts = new URL('../../../scripts/', import.meta.url)
const { buildIfStale, hashSources, stampPath } = await import(new URL('setup/build-stamp.mjs', scripts).href)
const { copyAssets, removeStale } = await import(new URL('copy-assets.mjs', scripts).href)

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'drover-build-'))
  for (const path of ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'scripts/copy-assets.mjs']) lay(path)
  lay('src/index.ts', 'export const a = 1')
  // Stands for the real build: notes each run, and leaves the stamp as the real one does.
  lay(
    'scripts/build.mjs',
    `import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
     import { hashSources, stampPath } from ${JSON.stringify(new URL('setup/build-stamp.mjs', scripts).href)}
     appendFileSync('runs', 'x')
     mkdirSync('dist', { recursive: true })
     writeFileSync(stampPath('.'), hashSources('.'))`,
  )
})

afterEach(() => rmSync(root, { recursive: true }))

function lay(path: string, text = path): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

const runs = () => (existsSync(join(root, 'runs')) ? readFileSync(join(root, 'runs'), 'utf8').length : 0)

test('dist is built when it is missing and left alone when nothing changed', () => {
  buildIfStale(root)
  expect(runs()).toBe(1)
  buildIfStale(root)
  expect(runs()).toBe(1)

  rmSync(join(root, 'dist'), { recursive: true })
  buildIfStale(root)
  expect(runs()).toBe(2)
})

test('a change of a source, a new or a removed one, or of a compiler option builds dist again', () => {
  const changes = [
    () => lay('src/index.ts', 'export const a = 2'),
    () => lay('src/room/new.lua'),
    () => rmSync(join(root, 'src/room/new.lua')),
    () => lay('tsconfig.json', '{}'),
    () => lay('package-lock.json', '{}'),
  ]
  buildIfStale(root)
  for (const [index, change] of changes.entries()) {
    change()
    buildIfStale(root)
    expect(runs()).toBe(index + 2)
  }
})

test('a file moved within src changes the hash', () => {
  const before = hashSources(root)
  rmSync(join(root, 'src/index.ts'))
  lay('src/other.ts', 'export const a = 1')
  expect(hashSources(root)).not.toBe(before)
})

test('a failed build ends the set-up', () => {
  lay('scripts/build.mjs', 'process.exit(2)')
  expect(() => buildIfStale(root)).toThrow('build failed')
  expect(existsSync(stampPath(root))).toBe(false)
})

test('every file of src that the compiler leaves alone is copied, and the command can be run', () => {
  lay('src/ledger/commit.lua', 'return 1')
  lay('src/dashboard/assets/page.js', 'go()')
  lay('src/cli/main.ts')
  lay('dist/cli/main.js')
  copyAssets(root)

  expect(readFileSync(join(root, 'dist/ledger/commit.lua'), 'utf8')).toBe('return 1')
  expect(readFileSync(join(root, 'dist/dashboard/assets/page.js'), 'utf8')).toBe('go()')
  expect(existsSync(join(root, 'dist/cli/main.ts'))).toBe(false)
  expect(statSync(join(root, 'dist/cli/main.js')).mode & 0o111).toBe(0o111)
})

test('what dist has from sources since removed is removed, and nothing else', () => {
  const current = ['dist/index.js', 'dist/index.js.map', 'dist/index.d.ts', 'dist/room/script.lua', 'dist/room/page.js']
  const stale = ['dist/old.js', 'dist/old.js.map', 'dist/old.d.ts', 'dist/room/old.lua']
  for (const path of [...current, ...stale, 'src/room/script.lua', 'src/room/page.js']) lay(path)
  removeStale(root)

  for (const path of current) expect(existsSync(join(root, path)), path).toBe(true)
  for (const path of stale) expect(existsSync(join(root, path)), path).toBe(false)
})
