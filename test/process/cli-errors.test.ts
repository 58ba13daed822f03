// `drover errors` as a person and a program use it: lists, a replay in stages, a discard and its undo, and what it refuses.
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { startFaultProxy } from '../../src/testing/index.js'
import { handle } from '../../src/worker/index.js'
import { buildDrover, runDrover, runDroverBatch, startDrover } from '../support/drover-cli.js'
import { anything } from '../support/schemas.js'
import { until } from '../support/until.js'
import { openWorkshop, type Workshop } from '../support/worker.js'

const mail = defineJob({ name: 'mail', queue: 'mails', input: anything })
let shop: Workshop
let isMended = false

beforeAll(async () => {
  await buildDrover()
  shop = await openWorkshop()
  await shop.work([
    handle(mail, () => {
      if (!isMended) throw new Error('order 7 is \u001b[31mbad\u202e')
      return null
    }),
  ])
  const jobs = await Promise.all([1, 2, 3].map((n) => shop.producer.enqueue(mail, { n, shop: 'AT' })))
  await Promise.all(jobs.map((job) => shop.end(job)))
})
afterAll(() => shop.close())

async function run(...commands: string[][]) {
  const env = { REDIS_URL: shop.server.url, DROVER_ALLOW_VOLATILE: 'true' }
  return runDroverBatch(
    commands.map((words) => ['errors', ...words]),
    { env },
  )
}
const json = ({ stdout }: { readonly stdout: string } = { stdout: '' }) => JSON.parse(stdout)

it('errors are listed, shown, run again, discarded and brought back', async () => {
  const [group] = json((await run(['list', '--json']))[0])
  expect(group).toMatchObject({ queue: 'mails', job: 'mail', message: 'order <number> is bad', count: 3, failed: 3 })
  const [list, show, plan, discarded, undoable, stages] = await run(
    ['list', 'mails', '--since', '1h'],
    ['show', 'mails', group.id],
    ['retry', 'mails', group.id, '--dry-run'],
    ['discard', 'mails', group.id, '--json'],
    ['discards', 'mails'],
    ['retry', 'mails', '--job', 'mail', '--dry-run'],
  )
  expect(list?.stdout).toContain('Error: order <number> is bad')
  expect(show?.stdout).toContain('$.shop = "AT" in 3 of 3')
  expect(show?.stdout).toMatch(/attempt 1 .*Error: order 7 is bad/)
  expect(`${list?.stdout}${show?.stdout}`).not.toMatch(/(?!\n)\p{Cc}|\p{Cf}/u)
  expect(plan).toMatchObject({ code: 0, stdout: expect.stringContaining('3 failed jobs (group') })
  expect(plan?.stdout).toContain('in stages of 1, 2')
  expect(json(discarded)).toMatchObject({ count: 3, by: expect.stringContaining('drover errors') })
  expect(undoable?.stdout).toContain(json(discarded).id)
  expect(stages).toMatchObject({ code: 3, stderr: expect.stringContaining('no job of queue mails is failed') })

  const [undone, returned] = await run(['undo', 'mails', json(discarded).id], ['retry', 'mails', group.id, '--json'])
  expect(undone).toMatchObject({ code: 0, stdout: 'brought 3 jobs back\n' })
  expect(returned?.code).toBe(1)
  expect(json(returned)).toMatchObject({ state: 'returned', stage: 1, retried: 1, failed: 1 })
  isMended = true
  const [done, replays, stopped] = await run(
    ['retry', 'mails', '--all', '--stages', '2,rest'],
    ['replays', 'mails', '--json'],
    ['stop', 'mails', json(returned).id],
  )
  expect(done).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('done: 3 of 3 put back, 3 ended, 0 of these failed'),
  })
  expect(done?.stderr).toContain('stage 1 of 2: 2 of 3 put back')
  expect(json(replays).map(({ state }: { state: string }) => state)).toEqual(['done', 'returned'])
  expect(stopped?.stdout).toContain('the same error came again')
})

it('a replay that is killed between two chunks has run nothing twice and lost nothing, and the same command goes on', async () => {
  const queue = 'killed'
  const contract = defineJob({ name: 'send', queue, input: anything, attempts: 1 })
  const runs = new Map<string, number>()
  const failing = await shop.work([
    handle(contract, () => {
      throw new Error('out of stock')
    }),
  ])
  const inputs = Array.from({ length: 700 }, (_, n) => ({ n }))
  await shop.producer.enqueueBulk(contract, inputs)
  const { bullBase, replays } = shop.keys(queue)
  await until('all have failed', async () => (await shop.redis.zcard(`${bullBase}failed`)) === inputs.length)
  await failing.close()

  const proxy = await startFaultProxy({ target: shop.server.url })
  onTestFinished(() => proxy.close())
  const retry = ['errors', 'retry', queue, '--all', '--stages', '1,rest']
  const env = { REDIS_URL: proxy.url, DROVER_ALLOW_VOLATILE: 'true' }
  const killed = startDrover(retry, { env })
  await killed.until(/stage 1 of 2/)
  const works = await shop.work([
    handle(contract, (_input, { id }) => {
      runs.set(id, (runs.get(id) ?? 0) + 1)
      return null
    }),
  ])
  proxy.set({ mode: 'throttle', delayMs: 200 })
  await until('the second stage is under way', async () => (await shop.redis.zcard(`${bullBase}failed`)) < 699)
  killed.kill('SIGKILL')
  await killed.finished
  // Read again each time: a last chunk may have been on its way.
  let left = 0
  await until('what was put back has run', async () => {
    left = await shop.redis.zcard(`${bullBase}failed`)
    return runs.size === inputs.length - left
  })
  expect(left).toBeGreaterThan(0)
  // A minute of silence later it is told as what it is.
  const [id = ''] = await shop.redis.zrange(replays, '0', '-1')
  await shop.redis.hset(shop.keys(queue).replay(id), 'beatAt', Date.now() - 61_000)
  const told = await run(['replays', queue, '--json'])
  expect(json(told[0])).toMatchObject([{ id, state: 'interrupted', retried: inputs.length - left }])

  const again = await runDrover(retry, { env: { ...env, REDIS_URL: shop.server.url } })
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining(`done: ${left} of ${left} put back`) })
  expect(runs.size).toBe(inputs.length)
  expect(new Set(runs.values())).toEqual(new Set([1]))
  await works.close()
})

it('what is wrong ends it with its exit code', async () => {
  const cases: [string[], number, string][] = [
    [['lst'], 2, 'did you mean list?'],
    [['show', 'mails'], 2, 'errors show <queue> <group>'],
    [['list', 'a', 'b'], 2, 'errors list [queue]'],
    [['retry', 'mails'], 2, 'which failed jobs?'],
    [['retry', 'mails', '--id', 'x', '--job', 'y'], 2, 'option ids'],
    [['retry', 'mails', '--id', 'nobody'], 3, 'nobody'],
    [['retry', 'mails', '--all', '--stages', '1,x'], 2, 'option stage'],
    [['retry', 'mails', '--since', 'yesterday'], 2, 'or how long ago'],
    [['retry', 'mails', '0123456789abcdef'], 3, 'no error group'],
    [['show', 'mails', 'x'], 3, 'no error group'],
    [['discard', 'mails', '--all', '--undo', '1s'], 2, 'option undo'],
    [['undo', 'mails', 'x'], 3, 'no discard'],
    [['stop', 'mails', 'x'], 3, 'no replay'],
    [['list', 'a:b'], 2, 'queue name'],
    [['--help'], 0, ''],
  ]
  const ended = await run(...cases.map(([words]) => words))
  for (const [index, [words, code, text]] of cases.entries()) {
    const found = ended[index]
    expect([words, found?.code], found?.stderr).toEqual([words, code])
    expect(found?.stderr).toContain(text)
  }
})
