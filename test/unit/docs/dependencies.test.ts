import { expect, test } from 'vitest'
import { BULLMQ_VERSION } from '../../../src/ledger/index.js'
import { codeIn, plain, read, rows } from './documents.js'

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly overrides: Readonly<Record<string, string>>
}

const manifest = JSON.parse(read('package.json')) as Manifest
const packages = { ...manifest.dependencies, ...manifest.devDependencies }
const described = rows('CONTRIBUTING.md', 'dependencies')

test('every dependency is listed with its reason, and no other', () => {
  expect(described.map(([name]) => plain(name)).sort()).toEqual(Object.keys(packages).sort())
  for (const [name, reason] of described) expect(reason, name).toBeTruthy()
})

test('every override is named', () => {
  for (const name of Object.keys(manifest.overrides)) expect(codeIn(read('CONTRIBUTING.md'))).toContain(name)
})

test('every dependency is pinned to one version', () => {
  for (const [name, version] of Object.entries(packages)) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/)
})

test('bull-board is of one version, and BullMQ of the one that the commit is written for', () => {
  const boards = Object.entries(packages).filter(([name]) => name.startsWith('@bull-board/'))
  expect(new Set(boards.map(([, version]) => version)).size).toBe(1)
  expect(packages.bullmq).toBe(BULLMQ_VERSION)
})
