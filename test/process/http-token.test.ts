// `drover token` as a process: what it shows once, what it lists, and what it refuses.
import { expect, test } from 'vitest'
import { runDrover, runDroverBatch, useProject } from '../support/drover-cli.js'

const { redis, cwd, env } = await useProject()

const token = (...words: string[]) => runDrover(['token', ...words], { cwd, env })

test('a token is shown once, listed without its secret, and revoked', async () => {
  const made = await token('create', 'shop', '--scope', 'enqueue,read', '--limit-jobs', 'greet', '--expires', 'never')
  expect(made.code).toBe(0)
  const [, id = '', secret = ''] = /^drover_([0-9a-f]{12})_([\w-]{43})\n$/.exec(made.stdout) ?? []
  expect(made.stderr).toContain(`token ${id} for shop: enqueue, read; only jobs greet; never expires`)
  const listed = await token('list')
  expect(listed.stdout).toContain(id)
  expect(listed.stdout + made.stderr + (await redis.cli('HGETALL', 'drover:tokens'))).not.toContain(secret)
  expect((await token('revoke', id)).code).toBe(0)
  expect(await token('revoke', id)).toMatchObject({ code: 3, stdout: '' })
  expect(JSON.parse((await token('list', '--json')).stdout)).toEqual([])
})

test('what is not a command of tokens is refused with exit code 2, and makes nothing', async () => {
  const commands = [
    ['create', 'shop'],
    ['create', '--scope', 'read'],
    ['create', 'shop', '--scope', 'root'],
    ['create', 'shop', '--scope', 'read,'],
    ['create', 'shop', '--scope', 'read', '--expires', 'soon'],
    ['create', 'a b', '--scope', 'read'],
    ['list', 'shop'],
    ['list', '--scope', 'read'],
    ['revoke'],
    ['destroy', 'shop'],
  ]
  const outcomes = await runDroverBatch(
    commands.map((words) => ['token', ...words]),
    { cwd, env },
  )
  expect(outcomes.map(({ code, stdout }, at) => [commands[at], code, stdout])).toEqual(
    commands.map((words) => [words, 2, '']),
  )
  expect(await redis.cli('EXISTS', 'drover:tokens')).toBe('0')
})
