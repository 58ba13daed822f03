// Secrets planted wherever a real process gets one: none of them is in a log, an answer, an error, or the list of processes.
// And what a stranger writes can make no line of log of its own.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Ask, ask } from '../support/dashboard-http.js'
import { buildDrover, makeProject, type RunningCommand, runDrover, startDrover, write } from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const CANARIES = Array.from({ length: 20 }, (_, at) => `c4nary-${String(at).padStart(2, '0')}-zq`)
const [REDIS_PASSWORD = '', TOKEN = '', INPUT = '', BAD_INPUT = '', WRONG_TOKEN = '', FORM_TOKEN = ''] = CANARIES
const [QUERY, COOKIE, HEADER, BODY, BASIC, REFERER, AGENT, OTHER_ENV, FILE_INPUT, FILE_BAD, WRONG_PASSWORD, JSON_TEXT] =
  CANARIES.slice(6) as [string, ...string[]]
const ALL = /c4nary-\d\d-zq/
let redis: TestRedis
let cwd: string
let env: Record<string, string>
let worker: RunningCommand
let dashboard: RunningCommand

beforeAll(async () => {
  await buildDrover()
  redis = await startTestRedis({ password: REDIS_PASSWORD, appendonly: true })
  cwd = makeProject(GREETING_FILES)
  env = { REDIS_URL: redis.url, DROVER_TOKEN: TOKEN, MY_SECRET: OTHER_ENV ?? '', DEBUG: 'drover' }
  // Where nothing can set a prototype by name, which no part of Drover and its packages needs.
  const hardened = { cwd, env: { ...env, NODE_OPTIONS: '--disable-proto=delete' } }
  worker = startDrover(['worker', '--jobs', 'jobs/*.ts', '--log-level', 'debug'], hardened)
  dashboard = startDrover(['serve', '--port', '0', '--log-level', 'debug'], hardened)
  await worker.until(/"msg":"[^"]*work/)
})
afterAll(() => redis?.close())

const parse = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

it('none of 20 secrets leaves the process that was given it', async () => {
  const [, url = ''] = await dashboard.until(/(http:\/\/127\.0\.0\.1:\d+)/)
  const outputs: string[] = []
  const run = async (words: readonly string[], more: Record<string, string> = {}, input = '') => {
    const { stdout, stderr } = await runDrover([...words], {
      cwd,
      env: { ...env, DROVER_JOBS: 'contracts.ts', ...more },
      input,
    })
    outputs.push(stdout, stderr)
  }
  await run(['enqueue', 'greet', '--input', '-'], {}, JSON.stringify({ name: INPUT }))
  await run(['enqueue', 'greet', '--input', '-'], {}, JSON.stringify({ name: 7, secret: BAD_INPUT }))
  await run(['enqueue', 'greet', '--input', '-'], {}, `{"name": ${JSON_TEXT}`)
  await run(['enqueue', 'greet', '--input', '-', '--json'], {}, `{"name": ${JSON_TEXT}`)
  write(cwd, 'inputs.ndjson', `{"name":"${FILE_INPUT}"}\n{"nam":"${FILE_BAD}"}\n`)
  await run(['enqueue', 'greet', '--file', 'inputs.ndjson'])
  await run(['counters'], { REDIS_URL: redis.url.replace(REDIS_PASSWORD, WRONG_PASSWORD ?? '') })
  await run(['doctor'])
  await run(['doctor'], { REDIS_URL: `redis://:${REDIS_PASSWORD}@127.0.0.1:1`, DROVER_TIMEOUT: '200ms' })

  const requests: [string, Ask][] = [
    ['/overview.json', { headers: { authorization: `Bearer ${WRONG_TOKEN}` } }],
    ['/overview.json', { headers: { authorization: `Basic ${Buffer.from(`a:${BASIC}`).toString('base64')}` } }],
    [`/livez?token=${QUERY}`, { headers: { cookie: `drover=${COOKIE}`, 'x-api-key': HEADER ?? '' } }],
    ['/livez', { headers: { referer: `http://a/${REFERER}`, 'user-agent': AGENT ?? '' } }],
    [
      '/sign-in',
      {
        method: 'POST',
        headers: { origin: url, 'content-type': 'application/x-www-form-urlencoded' },
        body: `token=${FORM_TOKEN}`,
      },
    ],
    [
      '/queues/api/queues/greetings/add',
      {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: `{"x":${BODY}`,
      },
    ],
    ['/overview.json', { headers: { authorization: `Bearer ${TOKEN}` } }],
  ]
  for (const [path, request] of requests) {
    const answer = await ask(url, path, request)
    // A page may show the results of jobs to who is signed in: only what is no job's is looked for there.
    if (answer.status !== 200) outputs.push(answer.text, JSON.stringify(answer.headers))
  }
  const { stdout: processes } = await promisify(execFile)('ps', ['-eo', 'args'])
  // The test's own server is given its password as an argument.
  outputs.push(processes.replace(/^.*redis-(keeper|server|cli).*$/gm, ''))
  await until('the job was run', async () => (await redis.cli('GET', '{drover:greetings}:counter:greeted')) !== '')

  // Redis goes away and comes back with another password: both log what they think of it.
  await redis.kill('SIGKILL')
  await until('the dashboard has noticed', async () => (await ask(url, '/readyz')).status === 503)
  worker.kill('SIGTERM')
  dashboard.kill('SIGTERM')
  for (const { stdout, stderr } of [await worker.finished, await dashboard.finished]) outputs.push(stdout, stderr)
  // greet logs its own input, as a handler may; only that one line does.
  const found = outputs
    .join('\n')
    .split('\n')
    .filter((line) => ALL.test(line) && !line.includes('"msg":"greeting"'))
  expect(found).toEqual([])
  expect(parse(worker.stdout()).length).toBeGreaterThan(1)
})

it('what strangers write makes no line of log of its own: every line of the processes is one JSON object', () => {
  for (const line of [...parse(worker.stdout()), ...parse(dashboard.stdout())]) expect(line).toHaveProperty('msg')
})
