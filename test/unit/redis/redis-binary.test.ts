import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RedisBinaryMissingError } from '../../../src/job/index.js'
import { findRedisBinary, REDIS_INSTALL_COMMANDS } from '../../../src/redis/index.js'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'drover-binary-'))
})

afterEach(() => rmSync(dir, { recursive: true }))

function addProgram(folder: string, name: string): string {
  mkdirSync(join(dir, folder), { recursive: true })
  const path = join(dir, folder, name)
  writeFileSync(path, '#!/bin/sh\n')
  chmodSync(path, 0o755)
  return path
}

test('a server on PATH is taken before one in a folder that is not on PATH', () => {
  const onPath = addProgram('a', 'redis-server')
  const offPath = addProgram('b', 'redis-server')

  expect(findRedisBinary(`/nowhere${delimiter}${join(dir, 'a')}`, [join(dir, 'b')])).toBe(onPath)
  expect(findRedisBinary('', [join(dir, 'b')])).toBe(offPath)
})

test('valkey-server is taken when there is no redis-server', () => {
  const valkey = addProgram('a', 'valkey-server')
  expect(findRedisBinary(join(dir, 'a'), [])).toBe(valkey)

  const redis = addProgram('b', 'redis-server')
  expect(findRedisBinary(join(dir, 'a'), [join(dir, 'b')])).toBe(redis)
})

test('a folder or a file that cannot be run is not taken for a server', () => {
  mkdirSync(join(dir, 'a', 'redis-server'), { recursive: true })
  chmodSync(addProgram('b', 'redis-server'), 0o644)
  const find = () => findRedisBinary(`${join(dir, 'a')}${delimiter}${join(dir, 'b')}`, [])

  expect(find).toThrow(RedisBinaryMissingError)
})

test('without a server the error has the command for each system', () => {
  try {
    findRedisBinary('', [dir])
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ code: 'REDIS_BINARY_MISSING', folders: [dir] })
    for (const command of Object.values(REDIS_INSTALL_COMMANDS)) expect((error as Error).message).toContain(command)
  }
})
