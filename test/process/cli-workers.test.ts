// `drover workers` and `drover jobs` against a worker process: seen, steered, a running job cancelled, and closed.
import { expect, it, vi } from 'vitest'
import type { WorkerBeat } from '../../src/ledger/index.js'
import { type Finished, runDroverBatch, startDrover, useProject } from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { PATIENCE } from '../support/until.js'

const { redis, cwd, env: ofRedis } = await useProject(GREETING_FILES)
const env = { ...ofRedis, DROVER_JOBS: 'contracts.ts', DROVER_ALLOW_VOLATILE: 'true' }

async function run(...words: string[]) {
  const [outcome] = await runDroverBatch([words], { cwd, env })
  return outcome as NonNullable<typeof outcome>
}
const listed = async () => JSON.parse((await run('workers', '--json')).stdout) as WorkerBeat[]

it('a worker is listed, told to be quiet, to run more and to resume, and exits with 0 when it is told to close', async () => {
  const worker = startDrover(['worker', '--queues', 'naps'], {
    cwd,
    env: { REDIS_URL: redis.url, DROVER_RELEASE: 'v42' },
  })
  await worker.until(/worker ready/)
  const id = await vi.waitFor(async () => {
    const [beat, ...more] = await listed()
    expect([beat?.pid, beat?.release, more]).toEqual([worker.pid, 'v42', []])
    return beat?.id ?? ''
  }, PATIENCE)
  expect(await run('workers', 'quiet', 'all')).toMatchObject({ code: 0, stdout: `told ${id}: quiet\n` })
  expect((await run('workers', 'concurrency', id, 'naps', '7')).code).toBe(0)
  await vi.waitFor(async () => {
    const [beat] = await listed()
    expect(beat).toMatchObject({ state: 'quiet', queues: [{ queue: 'naps', concurrency: 7 }] })
  }, PATIENCE)
  expect((await run('workers')).stdout).toContain('naps 0/7')
  expect(JSON.parse((await run('workers', 'resume', id, '--json')).stdout)).toEqual({ action: 'resume', told: [id] })
  await vi.waitFor(async () => expect(await listed()).toMatchObject([{ state: 'run' }]), PATIENCE)

  expect((await run('enqueue', 'sleep', '--input', '{"file":"x"}', '--id', 'nap')).code).toBe(0)
  await vi.waitFor(async () => expect(await listed()).toMatchObject([{ jobs: [{ id: 'nap' }] }]), PATIENCE)
  const cancelled = await run('jobs', 'cancel', 'naps', 'nap', '--json')
  expect(JSON.parse(cancelled.stdout)).toEqual({ queue: 'naps', id: 'nap', outcome: 'cancelling' })
  const ended = await run('result', 'naps', 'nap', '--wait', '--json')
  expect(ended.stdout).toContain('CANCELLED')

  const drained = await run('workers', 'drain', id, '--wait', '1m')
  expect(drained).toMatchObject({ code: 0, stdout: `told ${id}: drain\ndrained\n` })
  expect((await run('workers', 'close', id)).code).toBe(0)
  expect((await worker.finished).code).toBe(0)
  expect(await listed()).toEqual([])
})

it('signals make all processes of a supervisor quiet and resume them, and change how many jobs run at once', async () => {
  const words = ['worker', '--queues', 'naps', '--concurrency', '2', '--processes', '2', '--release', 'v43']
  const supervisor = startDrover(words, { cwd, env: { REDIS_URL: redis.url } })
  const are = (beat: object) =>
    vi.waitFor(async () => expect(await listed()).toMatchObject([beat, beat]), { timeout: 60_000 })
  const runs = (concurrency: number) => are({ release: 'v43', queues: [{ queue: 'naps', concurrency }] })
  await runs(2)
  await supervisor.until(/process ready(.|\n)*process ready/)
  supervisor.kill('SIGUSR2')
  await supervisor.until(/"signal":"SIGUSR2","msg":"signal without a meaning/)
  supervisor.kill('SIGTSTP')
  await are({ state: 'quiet' })
  supervisor.kill('SIGTTIN')
  await runs(3)
  supervisor.kill('SIGCONT')
  await are({ state: 'run' })
  for (const concurrency of [2, 1]) {
    supervisor.kill('SIGTTOU')
    await runs(concurrency)
  }
  // Down to one; and who was told to be quiet by an order stays so, though its process was stopped and goes on.
  supervisor.kill('SIGTTOU')
  expect((await run('workers', 'quiet', 'all')).code).toBe(0)
  await are({ state: 'quiet', queues: [{ queue: 'naps', concurrency: 1 }] })
  // No SIGTTIN after it: that discards a SIGCONT which is still on its way.
  supervisor.kill('SIGCONT')
  expect((await run('workers', 'concurrency', 'all', 'naps', '2')).code).toBe(0)
  await are({ state: 'quiet', queues: [{ queue: 'naps', concurrency: 2 }] })
  // Also who was told so while a signal had made it quiet already.
  expect((await run('workers', 'resume', 'all')).code).toBe(0)
  await are({ state: 'run' })
  supervisor.kill('SIGTSTP')
  await are({ state: 'quiet' })
  expect((await run('workers', 'quiet', 'all')).code).toBe(0)
  expect((await run('workers', 'concurrency', 'all', 'naps', '3')).code).toBe(0)
  await runs(3)
  supervisor.kill('SIGCONT')
  expect((await run('workers', 'concurrency', 'all', 'naps', '4')).code).toBe(0)
  await are({ state: 'quiet', queues: [{ queue: 'naps', concurrency: 4 }] })
  supervisor.kill('SIGTERM')
  expect(await supervisor.finished).toMatchObject({ code: 0 })
})

it('drover queues lists, pauses and resumes queues and job names', async () => {
  expect(await run('queues', 'pause', 'naps', '--job', 'sleep')).toMatchObject({
    code: 0,
    stdout: 'paused job sleep of queue naps\n',
  })
  expect(await run('queues', 'pause', 'naps')).toMatchObject({ code: 0, stdout: 'paused queue naps\n' })
  const [view] = JSON.parse((await run('queues', 'list', 'naps', '--json')).stdout) as object[]
  expect(view).toMatchObject({ queue: 'naps', isPaused: true, pausedJobs: [{ job: 'sleep', jobs: 0 }], active: 0 })
  expect((await run('queues')).stdout).toMatch(/^QUEUE .*\n(.*\n)*naps .* all\n/)
  expect((await run('queues', 'resume', 'naps')).code).toBe(0)
  expect((await run('queues')).stdout).toMatch(/^naps .* sleep \(0\)$/m)
  expect(JSON.parse((await run('queues', 'resume', 'naps', '--job', 'sleep', '--json')).stdout)).toEqual({
    ...{ queue: 'naps', job: 'sleep', resumed: true },
  })
  // A queue that another program wrote a key of is named, and hides no other.
  await redis.cli('SADD', 'drover:queues', 'spoilt')
  await redis.cli('SET', '{drover:spoilt}:spoilt:wait', 'text')
  const spoilt = await run('queues')
  expect(spoilt).toMatchObject({ code: 1, stdout: expect.stringMatching(/^naps /m) })
  expect(spoilt.stderr).toContain('spoilt cannot be read: {drover:spoilt}:spoilt:wait')
  expect(JSON.parse((await run('queues', '--json')).stdout)).toMatchObject([
    { queue: 'naps' },
    { queue: 'spoilt', problem: expect.stringContaining('is a string and not a list') },
  ])
  await redis.cli('SET', '{drover:spoilt}:totals', 'text')
  const asked = await run('queues', 'list', 'spoilt')
  expect(asked).toMatchObject({ code: 1, stdout: '' })
  for (const key of ['{drover:spoilt}:spoilt:wait', '{drover:spoilt}:totals']) expect(asked.stderr).toContain(key)
  await redis.cli('SREM', 'drover:queues', 'spoilt')
})

it('drover limits sets those of a queue, and shows them with the keys in use', async () => {
  const set = await run('limits', 'set', 'naps', '--concurrency', '20000', '--rate', '10/1s')
  expect(set).toMatchObject({ code: 0, stdout: 'queue naps: 20000 jobs at once, 10 starts in 1000 ms\n' })
  expect(JSON.parse((await run('limits', 'set', 'naps', '--rate', 'none', '--json')).stdout)).toEqual({
    ...{ queue: 'naps', concurrency: 20_000, rate: null },
  })
  expect(JSON.parse((await run('limits', 'list', 'naps', '--json')).stdout)).toEqual({
    ...{ queue: 'naps', concurrency: 20_000, rate: null, keys: 0, held: 0, parked: 0, limits: [] },
  })
  const wrong = [
    ['set', 'naps'],
    ['sett', 'naps'],
    ['list', 'naps', '--rate', '1/1s'],
    ['set', 'naps', '--rate', '5'],
    ['set', 'naps', '--concurrency', '0'],
    ['set', 'naps', '--concurrency', 'many'],
    ['set', 'naps', '--rate', '1/soon'],
    ['list', 'na ps'],
    ['list', 'naps', '--most', '0'],
  ]
  const outcomes = await runDroverBatch(
    wrong.map((words) => ['limits', ...words]),
    { cwd, env },
  )
  expect(outcomes.map(({ code }) => code)).toEqual(wrong.map(() => 2))
  expect((await run('limits', 'set', 'naps', '--concurrency', 'none')).stdout).toBe(
    'queue naps: any number of jobs at once, any rate\n',
  )
})

it('drover explain tells what holds a job, and drover top --once shows all', async () => {
  await run('enqueue', 'sleep', '--input', '{"file":"x"}', '--id', 'held', '--delay', '1h')
  const told = await run('explain', 'naps', 'held')
  expect(told.code).toBe(0)
  expect(told.stdout).toMatch(
    /^sleep held is delayed\n {2}DELAYED +it is delayed until .*\n {2}NO_WORKER +no worker .*\n$/,
  )
  expect(JSON.parse((await run('explain', 'naps', 'held', '--json')).stdout)).toMatchObject({
    ...{ job: 'sleep', state: 'delayed', reasons: [{ code: 'DELAYED', why: 'delay' }, { code: 'NO_WORKER' }] },
  })
  expect((await run('top', '--once')).stdout).toMatch(/^drover top {2}redis:.*\n\n\d queues\nQUEUE .*\n(.*\n)*naps /)
  expect(JSON.parse((await run('top', '--json')).stdout)).toMatchObject({ workers: [] })
  expect((await run('jobs', 'cancel', 'naps', 'held')).code).toBe(0)
})

it('drover jobs cancel --queue counts those that match, and cancels them when it is told to', async () => {
  for (const id of ['one', 'two']) {
    await run('enqueue', 'sleep', '--input', '{"file":"x"}', '--id', id, '--delay', '1h')
  }
  const filter = ['jobs', 'cancel', '--queue', 'naps', '--job', 'sleep', '--state', 'delayed,waiting']
  expect(await run(...filter, '--dry-run')).toMatchObject({ code: 0, stdout: '2 jobs match\n' })
  expect(await run(...filter, '--yes')).toMatchObject({ code: 0, stdout: 'cancelled 2 jobs\n' })
  expect(JSON.parse((await run(...filter, '--yes', '--json')).stdout)).toMatchObject({ matched: 0, cancelled: 0 })
})

const WRONG: [words: string[], code: number, text: string][] = [
  [['workers', 'quit', 'all'], 2, 'did you mean quiet?'],
  [['workers', 'quiet'], 2, 'expected: workers quiet <worker or all>'],
  [['workers', 'quiet', 'nobody'], 2, 'no worker "nobody"'],
  [['workers', 'quiet', 'all'], 2, 'no worker is there'],
  [['workers', 'concurrency', 'all', 'greetings', '0'], 2, 'from 1 to 10000'],
  [['workers', 'concurrency', 'all', 'greetings', '-3'], 2, ''],
  [['workers', 'quiet', 'all', '--wait', '5s'], 2, '--wait is for drain'],
  [['explain', 'naps', 'never-there'], 3, 'no job never-there in queue naps'],
  [['explain', 'naps'], 2, "missing required argument 'id'"],
  [['explain', 'a b', 'x'], 2, 'queue'],
  [['top'], 2, 'standard output is no terminal'],
  [['queues', 'puase', 'naps'], 2, 'did you mean pause?'],
  [['queues', 'pause'], 2, 'expected: queues pause <queue>'],
  [['queues', 'pause', 'naps', '--job', 'a|b'], 2, 'job'],
  [['queues', 'list', '--job', 'sleep'], 2, '--job is for pause and resume'],
  [['jobs', 'cancle', 'greetings', 'nap'], 2, 'did you mean cancel?'],
  [['jobs', 'cancel', 'greetings'], 2, 'expected: jobs cancel <queue> <id>'],
  [['jobs', 'cancel', '--queue', 'greetings'], 2, '--yes cancels all jobs that match'],
  [['jobs', 'cancel', '--queue', 'greetings', '--yes', '--dry-run'], 2, 'not both'],
  [['jobs', 'cancel', 'greetings', 'nap', '--queue', 'greetings', '--yes'], 2, 'not both'],
  [['jobs', 'cancel', 'greetings', 'nap', '--tag', 'x'], 2, '--tag is for all jobs that match'],
  [['jobs', 'cancel', '--queue', 'greetings', '--state', 'waitng', '--yes'], 2, 'did you mean waiting?'],
  [['jobs', 'cancel', '--queue', 'a b', '--yes'], 2, 'queue'],
  [['jobs', 'cancel', 'greetings', 'never-there'], 3, 'no job never-there in queue greetings'],
  [['jobs', 'cancel', 'naps', 'nap'], 1, 'is failed, so it cannot be cancelled'],
]
let outcomes: Promise<Finished[]> | undefined

it.each(WRONG)('drover %j ends with %i: %s', async (words, code, text) => {
  // All of them in one process, once what they need is there.
  outcomes ??= runDroverBatch(
    WRONG.map(([each]) => each),
    { cwd, env },
  )
  const outcome = (await outcomes)[WRONG.findIndex(([each]) => each === words)]
  expect(outcome?.code).toBe(code)
  expect(outcome?.stderr).toContain(text)
})
