import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const scripts = new URL('../../../scripts/', import.meta.url)
const { checkNode, isSupportedNode, NODE_RANGE, whyInstall } = await import(
  new URL('setup/node-packages.mjs', scripts).href
)

interface Entry {
  version: string
  integrity?: string
  optional?: boolean
  os?: string[]
  cpu?: string[]
}

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'drover-setup-'))
})

afterEach(() => rmSync(root, { recursive: true }))

const one = { 'node_modules/one': { version: '1.0.0', integrity: 'sha512-a' } }

function lay(wanted: Record<string, Entry>, installed: Record<string, Entry>): void {
  for (const path of Object.keys(installed)) mkdirSync(join(root, path), { recursive: true })
  write('package-lock.json', { '': { version: '0.1.0' }, ...wanted })
  write('node_modules/.package-lock.json', installed)
}

function write(path: string, packages: Record<string, Entry>): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), JSON.stringify({ packages }))
}

test('the Node versions that package.json names are the ones that set-up takes', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../package.json', scripts), 'utf8'))
  expect(NODE_RANGE).toBe(engines.node)
  for (const version of ['20.19.0', '20.20.2', '22.12.0', '23.0.0', '24.1.0']) {
    expect(isSupportedNode(version), version).toBe(true)
  }
  for (const version of ['18.20.0', '20.18.3', '21.7.0', '22.11.0'])
    expect(isSupportedNode(version), version).toBe(false)
})

test('another Node version is refused with both versions in the message', () => {
  expect(() => checkNode('18.20.0')).toThrow(`needs Node ${NODE_RANGE}, this is Node 18.20.0`)
  expect(() => checkNode('22.12.0')).not.toThrow()
})

test('packages are installed when node_modules is missing or its install broke off', () => {
  write('package-lock.json', one)
  expect(whyInstall(root)).toBe('node_modules is missing')

  mkdirSync(join(root, 'node_modules/one'), { recursive: true })
  expect(whyInstall(root)).toMatch('no record of a finished install')
})

test('nothing is installed when node_modules has what package-lock.json asks for', () => {
  lay(one, one)
  expect(whyInstall(root)).toBeUndefined()
})

test('packages are installed when one is missing, other, changed or no longer asked for', () => {
  const two = { 'node_modules/two': { version: '2.0.0' } }
  lay({ ...one, ...two }, one)
  expect(whyInstall(root)).toBe('node_modules/two is missing')

  lay(one, { ...one, ...two })
  expect(whyInstall(root)).toBe('node_modules/two is not in package-lock.json')

  lay(one, { 'node_modules/one': { version: '1.0.1', integrity: 'sha512-a' } })
  expect(whyInstall(root)).toMatch('node_modules/one is 1.0.1 and package-lock.json asks for 1.0.0')

  lay(one, { 'node_modules/one': { version: '1.0.0', integrity: 'sha512-b' } })
  expect(whyInstall(root)).toBeDefined()

  lay(one, one)
  rmSync(join(root, 'node_modules/one'), { recursive: true })
  expect(whyInstall(root)).toBe('node_modules/one is missing')
})

test('a package for another system may be absent, and is not taken for this one', () => {
  const foreign = { 'node_modules/foreign': { version: '1.0.0', optional: true, os: ['plan9'] } }
  lay({ ...one, ...foreign }, one)
  expect(whyInstall(root)).toBeUndefined()

  lay(foreign, foreign)
  expect(whyInstall(root)).toBe('node_modules/foreign was installed for another system')

  const anyButOne = { 'node_modules/any': { version: '1.0.0', os: ['!plan9'] } }
  lay(anyButOne, anyButOne)
  expect(whyInstall(root)).toBeUndefined()
})
