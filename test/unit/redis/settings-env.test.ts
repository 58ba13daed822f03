import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError } from '../../../src/job/index.js'
import { redisSettingsFromEnv } from '../../../src/redis/index.js'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'drover-env-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

function fileWith(name: string, text: string): string {
  const file = join(directory, name)
  writeFileSync(file, text)
  return file
}

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    redisSettingsFromEnv(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('Redis settings from the environment', () => {
  it('are undefined when no variable is set, an empty one counting as not set', () => {
    expect(redisSettingsFromEnv({})).toBeUndefined()
    expect(redisSettingsFromEnv({ REDIS_URL: '', REDIS_HOST: '', REDIS_PASSWORD: '', REDIS_PORT: '' })).toBeUndefined()
  })

  it('come from REDIS_URL', () => {
    expect(redisSettingsFromEnv({ REDIS_URL: 'redis://:pw@h/3' })).toEqual({
      kind: 'single',
      host: 'h',
      port: 6379,
      db: 3,
      password: 'pw',
    })
  })

  it('come from the single variables, each missing one at its default', () => {
    expect(redisSettingsFromEnv({ REDIS_HOST: 'h' })).toEqual({ kind: 'single', host: 'h', port: 6379, db: 0 })
    expect(
      redisSettingsFromEnv({ REDIS_PORT: '7000', REDIS_DB: '2', REDIS_USERNAME: 'u', REDIS_PASSWORD: 'p@/%' }),
    ).toEqual({ kind: 'single', host: '127.0.0.1', port: 7000, db: 2, username: 'u', password: 'p@/%' })
  })

  it('take secrets from files, without the last line break', () => {
    const password = fileWith('password', ' p w \n')
    expect(redisSettingsFromEnv({ REDIS_PASSWORD_FILE: password })).toMatchObject({ password: ' p w ' })
    const url = fileWith('url', 'redis://h:7000\r\n')
    expect(redisSettingsFromEnv({ REDIS_URL_FILE: url })).toMatchObject({ host: 'h', port: 7000 })
  })

  it('refuse a URL together with its parts, naming them', () => {
    expect(problemsOf({ REDIS_URL: 'redis://h', REDIS_DB: '1', REDIS_HOST: 'x' })).toEqual([
      'REDIS_URL and REDIS_HOST, REDIS_DB are both set: keep the URL or the parts',
    ])
  })

  it('refuse a secret that is given both itself and as a file', () => {
    expect(problemsOf({ REDIS_PASSWORD: 'a', REDIS_PASSWORD_FILE: '/x' })).toEqual([
      'REDIS_PASSWORD and REDIS_PASSWORD_FILE are both set: keep one of them',
    ])
  })

  it('list every problem at once, without the password', () => {
    const problems = problemsOf({ REDIS_PORT: 'x', REDIS_DB: '-1', REDIS_USERNAME: 'u', REDIS_PASSWORD_FILE: '/nope' })
    expect(problems).toEqual([
      'REDIS_PORT: a port must be a whole number from 1 to 65535',
      'REDIS_DB: the database must be a whole number from 0',
      'REDIS_PASSWORD_FILE names a file that cannot be read: /nope (ENOENT)',
      'REDIS_USERNAME is set without REDIS_PASSWORD',
    ])
    expect(problemsOf({ REDIS_URL: 'redis://:hunter2@h:x' }).join()).not.toContain('hunter2')
  })

  it('leave alone the REDIS_PORT that Kubernetes sets for a service named redis', () => {
    expect(redisSettingsFromEnv({ REDIS_PORT: 'tcp://10.0.0.1:6379' })).toBeUndefined()
    expect(redisSettingsFromEnv({ REDIS_URL: 'redis://h', REDIS_PORT: 'tcp://10.0.0.1:6379' })).toMatchObject({
      port: 6379,
    })
    expect(redisSettingsFromEnv({ REDIS_HOST: 'h', REDIS_PORT: 'tcp://10.0.0.1:1' })).toMatchObject({ port: 6379 })
  })
})
