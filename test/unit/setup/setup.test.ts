// scripts/setup.mjs, which every command of a fresh checkout begins with: what it asks for, and how it ends when it cannot.
import { spawnSync } from 'node:child_process'
import { afterEach, expect, test, vi } from 'vitest'

const MODULE = new URL('../../../scripts/setup.mjs', import.meta.url).href
const { neededPrograms } = await import(MODULE)
const { CHROMIUM, POSTGRES, PYTHON_REDIS, REDIS } = await import(new URL('./setup/programs.mjs', MODULE).href)

afterEach(() => vi.unstubAllEnvs())

test('the main job needs a Redis server, unless the environment names one', () => {
  vi.stubEnv('REDIS_URL', '')
  vi.stubEnv('REDIS_HOST', '')
  expect(neededPrograms(false)).toEqual([REDIS])
  vi.stubEnv('REDIS_HOST', 'redis.internal')
  expect(neededPrograms(false)).toEqual([])
  vi.stubEnv('REDIS_HOST', '')
  vi.stubEnv('REDIS_URL', 'redis://redis.internal')
  expect(neededPrograms(false)).toEqual([])
})

test('the tests need the server itself, the browser, Python’s client and Postgres, whatever the environment names', () => {
  vi.stubEnv('REDIS_URL', 'redis://redis.internal')
  expect(neededPrograms(true)).toEqual([REDIS, CHROMIUM, PYTHON_REDIS, POSTGRES])
})

test('what a person has to do first is one message and exit code 1, and nothing else is done', () => {
  const script = `
    Object.defineProperty(process.versions, 'node', { value: '18.20.0' })
    const { setup } = await import(${JSON.stringify(MODULE)})
    setup({ forTests: false })
    console.log('went on')`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(/^[^\n]*18\.20\.0[^\n]*\n$/)
})
