import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { REDIS_BINARY_FOLDERS, REDIS_INSTALL_COMMANDS } from '../../../src/redis/index.js'

const scripts = new URL('../../../scripts/', import.meta.url)
const { EXTRA_FOLDERS } = await import(new URL('setup/find-program.mjs', scripts).href)
const { findPackageManager } = await import(new URL('setup/package-manager.mjs', scripts).href)
const { installPrograms, REDIS } = await import(new URL('setup/programs.mjs', scripts).href)

// A PATH with nothing but what a test puts there: package managers that note how they were called.
let bin: string
let printed: string

const programPath = () => join(bin, 'drover-test-program')
const program = {
  what: 'a test program',
  isThere: () => existsSync(programPath()),
  packages: { apt: ['test-program'], dnf: ['absent', 'test-program'], apk: ['test-program'], brew: ['test-program'] },
  commands: { Debian: 'apt-get install test-program', Fedora: 'dnf install test-program' },
}

beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), 'drover-path-'))
  symlinkSync('/usr/bin/env', join(bin, 'env'))
  vi.stubEnv('PATH', bin)
  printed = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed += text
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  rmSync(bin, { recursive: true })
})

function lay(name: string, body: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>${bin}/calls\n${body}\n`)
  chmodSync(join(bin, name), 0o755)
}

const calls = () => readFileSync(join(bin, 'calls'), 'utf8').trim().split('\n')
const INSTALL = `case "$*" in *install*test-program|*add*test-program) : >${'$'}{0%/*}/drover-test-program;; esac`

function install(options: { platform?: string; isRoot?: boolean }): void {
  installPrograms([program], { needsServerItself: true, findManager: () => findPackageManager(options) })
}

test('a program that is there is left alone, silently', () => {
  writeFileSync(programPath(), '')
  installPrograms([program], { needsServerItself: true, findManager: () => expect.unreachable() })
  expect(printed).toBe('')
})

test('as root, apt-get installs it with fresh lists and without starting a service', () => {
  lay('apt-get', `echo "$DEBIAN_FRONTEND $RUNLEVEL" >>${bin}/calls; ${INSTALL}`)
  install({ platform: 'linux', isRoot: true })

  const wait = '-o DPkg::Lock::Timeout=120'
  expect(calls()).toEqual([
    `apt-get ${wait} update`,
    'noninteractive 1',
    `apt-get ${wait} install -y --no-install-recommends test-program`,
    'noninteractive 1',
  ])
  expect(printed).toBe('setup: installing test-program with apt: a test program is missing\n')
})

test('apt-get gets one retry of its update and of its install', () => {
  lay(
    'apt-get',
    `n=$(($(cat ${bin}/n 2>/dev/null || echo 0) + 1)); echo $n >${bin}/n; [ $n = 2 ] || [ $n -ge 4 ] || exit 100; ${INSTALL}`,
  )
  symlinkSync('/bin/cat', join(bin, 'cat'))
  install({ platform: 'linux', isRoot: true })

  expect(calls().map((line) => /update|install/.exec(line)?.[0])).toEqual([
    'update',
    'update',
    'install',
    'update',
    'install',
  ])
})

test('a package manager that fails has the end of its output shown, then the commands for a person', () => {
  lay('apt-get', 'echo "E: Unable to locate package" >&2; exit 100')
  expect(() => install({ platform: 'linux', isRoot: true })).toThrow('apt-get install test-program')
  expect(printed).toContain('failed with exit code 100:\n  E: Unable to locate package\n')
})

test('sudo is used when it asks for no password, and not when it does', () => {
  lay('apt-get', INSTALL)
  lay('sudo', '[ "$2" = true ] && exit 1')
  expect(() => install({ platform: 'linux', isRoot: false })).toThrow('found none')
  expect(calls()).toEqual(['sudo -n true'])

  lay('sudo', 'shift; "$@"')
  symlinkSync('/usr/bin/true', join(bin, 'true'))
  install({ platform: 'linux', isRoot: false })
  expect(calls()).toContain('apt-get -o DPkg::Lock::Timeout=120 update')
})

test('dnf, apk and brew install it too, and an alternative package is tried', () => {
  lay('dnf', `case "$*" in *absent*) exit 1;; esac; ${INSTALL}`)
  install({ platform: 'linux', isRoot: true })
  expect(calls()).toEqual(['dnf install -y absent', 'dnf install -y test-program'])

  for (const [name, platform, isRoot, call] of [
    ['apk', 'linux', true, 'apk add --no-cache test-program'],
    ['brew', 'darwin', false, 'brew install test-program'],
  ] as const) {
    rmSync(programPath())
    rmSync(join(bin, 'dnf'), { force: true })
    lay(name, INSTALL)
    install({ platform, isRoot })
    expect(calls()).toContain(call)
  }
})

test('Homebrew is not used as root', () => {
  lay('brew', INSTALL)
  expect(() => install({ platform: 'darwin', isRoot: true })).toThrow('found none')
})

test('all that is missing is in one message', () => {
  const other = { ...program, what: 'another program', commands: { Debian: 'apt-get install other' } }
  const find = { needsServerItself: true, findManager: () => undefined }
  expect(() => installPrograms([program, other], find)).toThrow(
    /test program[\s\S]*another program[\s\S]*install other/,
  )
})

test('a missing Redis is explained with Docker where any Redis will do, without it where the server itself is needed', () => {
  const missing = vi.spyOn(REDIS, 'isThere').mockReturnValue(false)
  const attempt = (needsServerItself: boolean) => () =>
    installPrograms([REDIS], { needsServerItself, findManager: () => undefined })

  for (const command of Object.values(REDIS_INSTALL_COMMANDS)) expect(attempt(false)).toThrow(command)
  expect(attempt(true)).toThrow('sudo dnf install valkey')
  expect(attempt(true)).not.toThrow('docker')
  expect(missing).toHaveBeenCalled()
})

test('set-up and the embedded server look in the same folders and give the same commands', () => {
  expect(EXTRA_FOLDERS).toEqual(REDIS_BINARY_FOLDERS)
  expect(REDIS_INSTALL_COMMANDS).toMatchObject(REDIS.commands)
})
