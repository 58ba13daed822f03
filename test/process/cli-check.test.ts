// `drover check`: an older build's backlog against the job files of a newer one.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildDrover, makeProject, runDrover, runDroverBatch, write } from '../support/drover-cli.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'

const SECRET = 'plain-text-of-an-input'
const build = (jobs: string) => `
import { defineJob } from 'drover'
import { z } from 'zod'
${jobs}`
const OLD = build(`
export const greet = defineJob({ name: 'greet', queue: 'mail', input: z.object({ name: z.string() }) })
export const gone = defineJob({ name: 'gone', queue: 'mail', input: z.object({}) })
export const newest = defineJob({ name: 'newest', queue: 'mail', input: z.object({}), version: 9 })
`)
const upcast = (body: string) =>
  build(`
export const greet = defineJob({
  name: 'greet', queue: 'mail', input: z.object({ names: z.array(z.string().max(5)) }), version: 2, upcast: { 1: ${body} },
})
export const gone = defineJob({ name: 'gone', queue: 'mail', input: z.object({}) })
export const newest = defineJob({ name: 'newest', queue: 'mail', input: z.object({}), version: 9 })
`)

let redis: TestRedis
let cwd: string
beforeAll(async () => {
  await buildDrover()
  redis = await startTestRedis()
  cwd = makeProject({
    'old.ts': OLD,
    'good.ts': upcast('(old) => ({ names: [old.name.slice(0, 5)] })'),
    'long.ts': upcast('(old) => ({ names: [old.name] })'),
    'bad.ts': build(`
export const greet = defineJob({ name: 'greet', queue: 'mail', input: z.object({ names: z.array(z.string()) }), version: 2 })
export const newest = defineJob({ name: 'newest', queue: 'mail', input: z.object({}) })
`),
  })
  const env = { REDIS_URL: redis.url, DROVER_JOBS: 'old.ts' }
  const enqueue = (...words: string[]) => runDrover(['enqueue', ...words], { cwd, env })
  const lines = Array.from({ length: 250 }, () => `{"name":"${SECRET}"}\n`).join('')
  await runDrover(['enqueue', 'greet', '--file', '-'], { cwd, env, input: lines })
  await enqueue('greet', '--input', `{"name":"${SECRET}"}`, '--delay', '1h', '--id', 'later')
  await enqueue('gone', '--input', '{}', '--id', 'lonely')
  await enqueue('newest', '--input', '{}', '--id', 'newest')
})
afterAll(() => redis.close())

async function check(...words: string[]) {
  const { code, stdout, stderr } = await runDrover(['check', ...words], { cwd, env: { REDIS_URL: redis.url } })
  expect(stdout + stderr).not.toContain(SECRET)
  return { code, stdout, stderr }
}

it('inputs that middleware of the job files stored are checked as they were, and what does not open is told', async () => {
  const sealed = (open: string) => `
import { defineJob } from 'drover'
import { defineMiddleware } from 'drover/worker'
import { z } from 'zod'
export const seal = defineJob({ name: 'seal', queue: 'sealed', input: z.object({ name: z.string() }) })
export const middleware = defineMiddleware({
  enqueue: (call, next) => {
    call.inputText = JSON.stringify('sealed:' + Buffer.from(call.inputText).toString('base64'))
    return next()
  },
  openInput: (_contract, stored) => ${open},
})`
  write(cwd, 'sealed.ts', sealed("JSON.parse(Buffer.from(stored.slice(7), 'base64').toString())"))
  write(cwd, 'lost.ts', sealed("{ throw new Error('no key') }"))
  const words = ['enqueue', 'seal', '--input', `{"name":"${SECRET}"}`, '--id', 'sealed-1', '--jobs', 'sealed.ts']
  const commands = [words, ['check', 'sealed.ts', '--json'], ['check', 'lost.ts', '--json']]
  const [enqueued, good, lost] = await runDroverBatch(commands, { cwd, env: { REDIS_URL: redis.url } })
  expect(enqueued?.code, enqueued?.stderr).toBe(0)
  expect(await redis.cli('HGET', '{drover:sealed}:sealed:sealed-1', 'data')).toMatch(/^"sealed:[\w=]+"$/)
  expect(JSON.parse(good?.stdout ?? '')).toMatchObject({ checked: 1, broken: 0 })
  expect(JSON.parse(lost?.stdout ?? '').findings).toMatchObject([{ code: 'NOT_OPENED', count: 1 }])
  expect([good?.code, lost?.code]).toEqual([0, 1])
})

it('a build that understands the whole backlog passes', async () => {
  const { code, stdout } = await check('good.ts', '--json')
  expect(JSON.parse(stdout)).toEqual({ queues: ['mail'], checked: 253, broken: 0, findings: [] })
  expect(code).toBe(0)
})

it('what the schema of the build refuses is counted for each state, with ids and paths of issues', async () => {
  const { code, stdout } = await check('long.ts', '--json', '--sample', '2')
  expect(code).toBe(1)
  const { broken, findings } = JSON.parse(stdout)
  expect(broken).toBe(251)
  const problem = { queue: 'mail', job: 'greet', code: 'INVALID_INPUT' }
  expect(findings).toEqual([
    {
      ...problem,
      state: 'waiting',
      count: 250,
      samples: [expect.anything(), { id: expect.any(String), paths: ['$.names[0]'] }],
    },
    { ...problem, state: 'delayed', count: 1, samples: [{ id: 'later', paths: ['$.names[0]'] }] },
  ])
})

it('unknown jobs, versions without a way and newer versions are named, without Redis being changed', async () => {
  const before = await redis.cli('DEBUG', 'DIGEST')
  const { code, stdout } = await check('bad.ts')
  expect(code).toBe(1)
  expect(stdout).toContain(
    'INPUT_VERSION  queue mail, job greet, waiting: 250 (version 1: it has no upcast for version 1)',
  )
  expect(stdout).toContain(
    'INPUT_VERSION  queue mail, job newest, waiting: 1 (version 9: this build knows none so new): newest',
  )
  expect(stdout).toContain('UNKNOWN_JOB  queue mail, job gone, waiting: 1: lonely')
  expect(stdout).toContain('253 stored inputs of 1 queues checked, 253 would break')
  expect(await redis.cli('DEBUG', 'DIGEST')).toBe(before)
})

it('wrong options and files without jobs end it as wrong usage', async () => {
  expect(await check('good.ts', '--sample', 'x')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--sample'),
  })
  expect(await check('none.ts')).toMatchObject({ code: 2 })
})
