// The encryption of examples/ as a user has it, in a job file: through `drover serve`, `enqueue`, `worker` and `dev`, and
// through a change of its key, no text of an input or a result is in a Redis key, a log line, an answer or a page.
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createEncryption } from '../../examples/encryption/encryption.js'
import { ask } from '../support/dashboard-http.js'
import { buildDrover, type Finished, makeProject, ROOT, runDrover, startDrover } from '../support/drover-cli.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const CANARY = 'c4nary-sealed'
const KEYS = { old: randomBytes(32).toString('hex'), new: randomBytes(32).toString('hex') }
const FILES = {
  'jobs/encryption.ts': readFileSync(join(ROOT, 'examples/encryption/encryption.ts'), 'utf8'),
  'jobs/sealing.ts': `
import { defineMiddleware } from 'drover/worker'
import { createEncryption } from './encryption.js'

const hex = JSON.parse(process.env.RING ?? '{}')
const keys = Object.fromEntries(Object.entries(hex).map(([id, key]) => [id, Buffer.from(key, 'hex')]))
const { onEnqueue, onRun, openInput } = createEncryption({ current: process.env.CURRENT ?? '', keys })
export default defineMiddleware({ enqueue: onEnqueue, run: onRun, openInput })
`,
  'jobs/vault.ts': `
import { defineJob } from 'drover'
import { handle, PermanentError } from 'drover/worker'
import { z } from 'zod'

const input = z.object({ text: z.string(), act: z.enum(['stop', 'follow', 'fail']) })
const keep = defineJob({ name: 'keep', queue: 'vault', input, output: z.object({ kept: z.string() }), attempts: 1 })
export default handle(keep, async ({ text, act }, ctx) => {
  if (!text.startsWith('c4nary')) throw new PermanentError('not opened')
  if (act === 'follow') await ctx.enqueue(keep, { text, act: 'stop' }, { id: 'followed' })
  if (act === 'fail') throw new PermanentError('refused')
  return { kept: text }
})
`,
}
let redis: TestRedis
let cwd: string

beforeAll(async () => {
  await buildDrover()
  // The file has each write in plain: what was ever in a key is in it.
  redis = await startTestRedis({ appendonly: true })
  cwd = makeProject(FILES)
})
afterAll(() => redis?.close())

const envOf = (current: string, ...ids: (keyof typeof KEYS)[]) => ({
  REDIS_URL: redis.url,
  DROVER_JOBS: 'jobs/*.ts',
  CURRENT: current,
  RING: JSON.stringify(Object.fromEntries(ids.map((id) => [id, KEYS[id]]))),
})
const everythingWritten = (directory: string) => {
  const folder = join(directory, 'appendonlydir')
  return readdirSync(folder).map((file) => readFileSync(join(folder, file), 'latin1'))
}
const bodyOf = (text: string, act = 'stop') => JSON.stringify({ job: 'keep', input: { text, act } })

it('inputs over HTTP and the command line are sealed at rest, run, and outlive a change of the key', async () => {
  const heard: string[] = []
  const before = { cwd, env: envOf('old', 'old') }
  const serve = startDrover(['serve', '--port', '0'], before)
  const [, url = ''] = await serve.until(/"url":"([^"]+)".*"msg":"dashboard ready"/)
  const made = await runDrover(['token', 'create', 'shop', '--scope', 'enqueue,read', '--expires', 'never'], before)
  const authorization = `Bearer ${made.stdout.trim()}`
  const headers = { authorization, 'content-type': 'application/json' }
  const post = async (body: string, path = '/v1/jobs', type = 'application/json') => {
    const answer = await ask(url, path, { method: 'POST', body, headers: { ...headers, 'content-type': type } })
    heard.push(answer.text)
    return answer
  }
  const { id } = JSON.parse((await post(bodyOf(`${CANARY} ü`, 'follow'))).text) as { id: string }
  const failing = JSON.parse((await post(bodyOf(CANARY, 'fail'))).text) as { id: string }
  expect((await post(`${bodyOf(CANARY)}\n`, '/v1/jobs/bulk', 'application/x-ndjson')).status).toBe(207)
  // What the contract refuses comes back without what it was, too.
  expect((await post(bodyOf(CANARY, CANARY))).status).toBe(422)
  const said = await runDrover(['enqueue', 'keep', '--input', '-'], {
    ...before,
    input: JSON.stringify({ text: CANARY, act: 'stop' }),
  })
  expect(said.code).toBe(0)
  const key = `{drover:vault}:vault:${id}`
  const stored = await redis.cli('HGET', key, 'data')
  expect(stored).toMatch(/^"sealed\.v1\.old\.[\w-]+"$/)

  // Both keys, and the new one for what is sealed from here on: what waits under the old one still opens.
  const after = { cwd, env: envOf('new', 'old', 'new') }
  const worker = startDrover(['worker', '--log-level', 'debug'], after)
  const result = async (job: string) => JSON.parse(await redis.cli('GET', `{drover:vault}:result:${job}`)) as Ended
  const ended = async () => (await redis.cli('HGETALL', '{drover:vault}:totals')).replaceAll('\n', ' ')
  await until('all jobs have run', async () => /^(?=.*keep:completed 4)(?=.*keep:failed 1)/.test(await ended()))
  const ring = { current: 'new', keys: { old: Buffer.from(KEYS.old, 'hex'), new: Buffer.from(KEYS.new, 'hex') } }
  for (const job of [id, 'followed']) {
    const { value } = await result(job)
    expect(value).toMatch(/^sealed\.v1\.new\./)
    expect(createEncryption(ring).openResult('vault', 'keep', value)).toEqual({ kept: `${CANARY} ü` })
  }
  expect(await redis.cli('HGET', '{drover:vault}:vault:followed', 'data')).toMatch(/^"sealed\.v1\.new\./)
  expect((await result(failing.id)).error.message).toBe('refused')

  for (const path of ['/', `/results/vault/${id}`, `/results/vault/${failing.id}`, '/errors', '/results?q=c4nary']) {
    const { status, text } = await ask(url, path)
    expect([path, status]).toEqual([path, 200])
    heard.push(text.replace('value="c4nary"', ''))
  }
  heard.push((await ask(url, `/v1/queues/vault/jobs/${id}`, { headers })).text)
  heard.push((await runDrover(['check'], after)).stdout)
  for (const command of [serve, worker]) command.kill('SIGTERM')
  for (const { stdout, stderr } of [said, ...(await Promise.all([serve.finished, worker.finished]))]) {
    heard.push(stdout, stderr)
  }
  expect([...everythingWritten(redis.directory), ...heard].filter((text) => text.includes('c4nary'))).toEqual([])
})

interface Ended {
  readonly value: unknown
  readonly error: { readonly message: string }
}

it('drover dev seals too, and a worker without the key fails the job with nothing of it told', async () => {
  const { REDIS_URL: _url, ...env } = envOf('old', 'old')
  const dev = startDrover(['dev', '--port', '0'], { cwd, env })
  const [, url = ''] = await dev.until(/^Redis +(\S+)/m)
  await dev.until(/worker ready/)
  const enqueue = (ring: Record<string, string>): Promise<Finished> => {
    const input = JSON.stringify({ text: CANARY, act: 'stop' })
    return runDrover(['enqueue', 'keep', '--input', '-', '--wait', '60s'], {
      cwd,
      env: { ...ring, REDIS_URL: url },
      input,
    })
  }
  const { REDIS_URL: _other, ...strange } = envOf('new', 'new')
  const [opened, unopened] = [await enqueue(env), await enqueue(strange)]
  expect(opened).toMatchObject({ code: 0, stdout: expect.stringContaining('sealed.v1.old.') })
  expect(unopened).toMatchObject({ code: 1, stderr: expect.stringContaining('it is not in the key ring') })
  const written = everythingWritten(join(cwd, '.drover', 'redis'))
  dev.kill('SIGTERM')
  const { stdout, stderr } = await dev.finished
  const texts = [...written, stdout, stderr, opened.stdout, opened.stderr, unopened.stdout, unopened.stderr]
  expect(written.join('')).toContain('sealed.v1.old.')
  expect(texts.filter((text) => text.includes('c4nary'))).toEqual([])
})
