// `drover errors` as a person and a program use it: lists, a replay in stages, a discard and its undo, and what it refuses.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { buildDrover, runDroverBatch } from '../support/drover-cli.js'
import { anything } from '../support/schemas.js'
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
