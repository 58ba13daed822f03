// B23 to B27: whatever is wrong with a command's words, files or Redis ends it with its exit code and words for a person,
// standard output stays empty, and Redis is as it was. Rows run alone, then in random order among good commands.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDrover, type Finished, makeProject, runDrover, runDroverBatch } from '../support/drover-cli.js'
import { shuffle, testSeed } from '../support/random.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { CANARY, expectClean, readStore } from './matrix.js'

const CONTRACTS = `
import { defineJob } from 'drover'
import { z } from 'zod'
export const order = defineJob({ name: 'order', queue: 'orders', input: z.object({ n: z.number() }) })
`
const FILES = {
  'contracts.ts': CONTRACTS,
  'broken.ts': 'export const = ',
  'bad-line.ndjson': `{"n":1}\n{"n":"${CANARY}"}\n{"n":3}\n`,
  'bad-json.ndjson': `{"n":1}\r\n{"n":2\r\n`,
  'proto.ndjson': '{"n":1}\n{"n":1,"__proto__":{"polluted":1}}\n',
  'empty.ndjson': '\n \n',
  'bytes.ndjson': Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]).toString('latin1'),
  'bad-cells.csv': `n\n1\n${CANARY}\n`,
  'no-records.csv': 'n\n',
}

type Row = readonly [row: string, what: string, code: number, says: RegExp, words: readonly string[]]

const ORDER = ['enqueue', 'order', '--jobs', 'contracts.ts']
const file = (name: string) => [...ORDER, '--file', name]
const ROWS: readonly Row[] = [
  ['B23', 'an unknown command', 2, /enqueue/, ['enqeue', 'order']],
  ['B23', 'an unknown option', 2, /--priority/, [...ORDER, '--prioritty', '1']],
  ['B23', 'an option without its value', 2, /--priority/, [...ORDER, '--input', '{"n":1}', '--priority']],
  ['B23', 'a priority that is none', 2, /priority/, [...ORDER, '--input', '{"n":1}', '--priority', 'high']],
  ['B23', 'a negative delay', 2, /delay/, [...ORDER, '--input', '{"n":1}', '--delay', '-5s']],
  ['B23', 'a word too many', 2, /argument/, ['result', 'orders', 'x', 'y']],
  ['B23', 'an unknown job', 2, /order/, ['enqueue', 'ordr', '--jobs', 'contracts.ts', '--input', '{}']],
  ['B23', 'an id with a colon', 2, /id/, [...ORDER, '--input', '{"n":1}', '--id', 'a:b']],
  ['B23', 'an id of BullMQ itself', 2, /id/, [...ORDER, '--input', '{"n":1}', '--id', 'meta']],
  ['B23', 'an action that is none', 2, /list/, ['schedules', 'lst']],
  ['B23', 'a prefix with braces', 2, /prefix/, ['counters', '--prefix', '{x}']],
  ['B24', 'an input that is no JSON', 2, /JSON/, [...ORDER, '--input', `{"n":${CANARY}}`]],
  ['B24', 'an input that fails its schema', 2, /\$\.n/, [...ORDER, '--input', `{"n":"${CANARY}"}`]],
  ['B24', 'an input with __proto__', 2, /__proto__/, [...ORDER, '--input', '{"n":1,"__proto__":{}}']],
  ['B24', 'a file that is not there', 2, /none\.ndjson/, file('none.ndjson')],
  ['B24', 'a folder for a file', 2, /node_modules|folder|directory/, file('node_modules')],
  ['B24', 'a bad second line', 2, /line 2 of bad-line\.ndjson/, file('bad-line.ndjson')],
  ['B24', 'a line cut in the middle', 2, /line 2 of bad-json\.ndjson/, file('bad-json.ndjson')],
  ['B24', 'a line with __proto__', 2, /line 2 of proto\.ndjson/, file('proto.ndjson')],
  ['B24', 'a file without a line', 2, /empty\.ndjson/, file('empty.ndjson')],
  ['B24', 'a cell that is no number', 2, /line 3 of bad-cells\.csv/, file('bad-cells.csv')],
  ['B24', 'a table without a record', 2, /no-records\.csv/, file('no-records.csv')],
  [
    'B24',
    'a job file that does not load',
    2,
    /broken\.ts/,
    ['enqueue', 'order', '--jobs', 'broken.ts', '--input', '{}'],
  ],
  [
    'B24',
    'job files that are not there',
    2,
    /nowhere/,
    ['enqueue', 'order', '--jobs', 'nowhere/*.ts', '--input', '{}'],
  ],
  ['B26', 'a Redis URL of another kind', 2, /redis:\/\//, ['counters', '--redis', 'http://127.0.0.1:1']],
  ['B26', 'a Redis that is not there', 69, /Redis/, ['counters', '--redis', 'redis://127.0.0.1:1']],
  ['B27', 'a token among the words', 2, /ps/, ['serve', '--token', CANARY]],
  ['B28', 'a queue that was never used', 3, /nobody/, ['counters', 'nobody']],
  ['B28', 'a job that was never there', 3, /nobody/, ['result', 'orders', 'nobody']],
]

let server: TestRedis
let client: Redis
let cwd: string

beforeAll(async () => {
  await buildDrover()
  server = await startTestRedis()
  client = new Redis(server.url)
  cwd = makeProject(FILES)
  await enqueueGood('first')
})
afterAll(async () => {
  client.disconnect()
  await server.close()
})

const env = () => ({ REDIS_URL: server.url })
const good = (id: string) => [...ORDER, '--input', '{"n":1}', '--id', id]
async function enqueueGood(id: string): Promise<void> {
  expect(await runDrover(good(id), { cwd, env: env() })).toMatchObject({ code: 0, stderr: '' })
}

function judge([row, what, code, says]: Row, { code: got, stdout, stderr }: Finished): void {
  const about = `${row} ${what}: ${stderr}`
  expect(got, about).toBe(code)
  expect(stdout, about).toBe('')
  expect(stderr, about).toMatch(says)
  expect(stderr.length, about).toBeLessThan(2_000)
  for (const line of stderr.split('\n')) expectClean(line.replaceAll('node_modules', ''))
}

describe('a command that is refused', () => {
  it('says why in words for a person, with its exit code, and changes nothing', async () => {
    const before = await readStore(client, 'orders')
    const outcomes = await runDroverBatch(
      ROWS.map(([, , , , words]) => words),
      { cwd, env: env() },
    )
    expect(outcomes).toHaveLength(ROWS.length)
    for (const [index, row] of ROWS.entries()) judge(row, outcomes[index] as Finished)
    expect(await readStore(client, 'orders')).toEqual(before)
  })

  it('leaves good commands between alone, whatever their order', async () => {
    const seed = testSeed()
    console.log(`seed ${seed}`)
    const rows = shuffle(ROWS, seed)
    const { states } = await readStore(client, 'orders')
    const commands = rows.flatMap(([, , , , words], index) => [words, good(`good-${index}`)])
    const outcomes = await runDroverBatch(commands, { cwd, env: env() })
    for (const [index, row] of rows.entries()) {
      judge(row, outcomes[2 * index] as Finished)
      expect(outcomes[2 * index + 1]).toMatchObject({ code: 0, stderr: '' })
    }
    expect((await readStore(client, 'orders')).states).toEqual({ ...states, wait: (states.wait ?? 0) + rows.length })
  })
})

it('B26 a Redis that could lose every job ends the command with 78 and what to set, until it is allowed', async () => {
  const volatile = await startTestRedis({ appendonly: false })
  const commands = [good('kept'), ['queues'], [...good('kept'), '--allow-volatile']]
  const [refused, between, allowed] = await runDroverBatch(commands, { cwd, env: { REDIS_URL: volatile.url } })
  await volatile.close()
  expect(refused).toMatchObject({
    code: 78,
    stdout: '',
    stderr: expect.stringMatching(/appendonly yes.*--allow-volatile/),
  })
  expect(between).toMatchObject({ code: 0, stdout: '' })
  expect(allowed).toMatchObject({ code: 0, stdout: 'kept\n', stderr: '' })
})
