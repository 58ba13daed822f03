import { describe, expect, it } from 'vitest'
import { runDrover, useProject, write } from '../support/drover-cli.js'

const CONTRACTS = `
import { defineJob } from 'drover'
import { z } from 'zod'
const item = z.object({ id: z.string(), price: z.number(), gift: z.boolean().optional(), zip: z.string() })
export const order = defineJob({ name: 'order', queue: 'orders', input: item })
export const small = defineJob({ name: 'small', queue: 'small', input: item, maxDepth: 2 })
`
const { redis, cwd } = await useProject({ 'contracts.ts': CONTRACTS })

function enqueue(words: readonly string[], input?: string) {
  const env = { REDIS_URL: redis.url, DROVER_JOBS: 'contracts.ts' }
  return runDrover(['enqueue', ...words], { cwd, env, ...(input === undefined ? {} : { input }) })
}
const waiting = async (queue: string) => Number(await redis.cli('LLEN', `{drover:${queue}}:${queue}:wait`))
async function inputs(queue: string): Promise<unknown[]> {
  const ids = (await redis.cli('LRANGE', `{drover:${queue}}:${queue}:wait`, '0', '-1')).split('\n').filter(Boolean)
  const texts = await Promise.all(
    ids.reverse().map((id) => redis.cli('HGET', `{drover:${queue}}:${queue}:${id}`, 'data')),
  )
  return texts.map((text) => JSON.parse(text) as unknown)
}
const line = (n: number) => JSON.stringify({ id: `o${n}`, price: n, zip: '0' })

describe('drover enqueue --file with CSV', () => {
  it('makes objects of its records, with numbers, true and false where the schema wants them', async () => {
    await redis.cli('FLUSHALL')
    write(cwd, 'orders.csv', '\ufeffid,price,gift,zip\r\n1,12.5,true,01234\r\n\r\n"a ""b"",c",3,,\r\n')
    const { code, stderr, stdout } = await enqueue(['order', '--file', 'orders.csv'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^enqueued 2 jobs in .*: order in queue orders\n$/)
    expect(await inputs('orders')).toEqual([
      { id: '1', price: 12.5, gift: true, zip: '01234' },
      { id: 'a "b",c', price: 3, zip: '' },
    ])
  })

  it('names the bad line: too few cells, a cell that is no number, one that a double cannot hold', async () => {
    await redis.cli('FLUSHALL')
    const bad: [string, RegExp][] = [
      ['1,2', /line 3 of bad\.csv has 2 cells, the first record has 3 \(nothing was enqueued\)/],
      ['1,two,3', /line 3 of bad\.csv: the input of job "order" .*\$\.price/],
      ['1,12345678901234567890,3', /line 3 of bad\.csv: the input of job "order" .*\$\.price/],
      ['1,"2,3', /bad\.csv is not CSV: .* \(nothing was enqueued\)/i],
    ]
    for (const [row, message] of bad) {
      write(cwd, 'bad.csv', `id,price,zip\n1,2,3\n${row}\n`)
      const { code, stderr } = await enqueue(['order', '--file', 'bad.csv'])
      expect(code).toBe(2)
      expect(stderr).toMatch(message)
    }
    write(cwd, 'twice.csv', 'id,id\n1,2\n')
    expect((await enqueue(['order', '--file', 'twice.csv'])).stderr).toContain(
      'must name each field once: "id" is there twice',
    )
    expect(await waiting('orders')).toBe(0)
  })

  it('reads standard input as CSV with --format csv', async () => {
    await redis.cli('FLUSHALL')
    const { code } = await enqueue(['order', '--file', '-', '--format', 'csv'], 'id,price,zip\n1,2,3\n')
    expect(code).toBe(0)
    expect(await inputs('orders')).toEqual([{ id: '1', price: 2, zip: '3' }])
  })
})

describe('drover enqueue --file with bad lines', () => {
  const text = [line(1), '{"id":', line(3), '{"id":4}', line(5)].join('\n')

  it('and --skip-bad enqueues the good ones, tells the others with their lines, and exits with 5', async () => {
    await redis.cli('FLUSHALL')
    write(cwd, 'mixed.ndjson', text)
    for (const [words, input] of [[['--file', 'mixed.ndjson']], [['--file', '-'], text]] as const) {
      const { code, stdout, stderr } = await enqueue(['order', ...words, '--skip-bad'], input)
      expect(code).toBe(5)
      expect(stdout).toMatch(/^enqueued 3 jobs .*\n3 rows are good, 2 are bad\n$/)
      expect(stderr).toMatch(/^line 2 of .* is not JSON/m)
      expect(stderr).toMatch(/^line 4 of [\s\S]*\$\.price/m)
    }
    expect(await waiting('orders')).toBe(6)
  })

  it('and --json tells them in one object', async () => {
    const { code, stdout } = await enqueue(['order', '--file', 'mixed.ndjson', '--skip-bad', '--json'])
    expect(code).toBe(5)
    const told = JSON.parse(stdout)
    expect(told).toMatchObject({ job: 'order', queue: 'orders', enqueued: 3, bad: 2 })
    expect(told.problems).toHaveLength(2)
  })

  it('alone exits with 2, also with --skip-bad', async () => {
    await redis.cli('FLUSHALL')
    const { code, stdout } = await enqueue(['order', '--file', '-', '--skip-bad'], '{}\n[]\n')
    expect(code).toBe(2)
    expect(stdout).toContain('0 rows are good, 2 are bad')
    expect(await waiting('orders')).toBe(0)
  })

  it('tells lines that the queue refuses, after lines that were skipped', async () => {
    await redis.cli('FLUSHALL')
    const rows = [line(1), 'x', '', line(4), line(5), line(6)].join('\n')
    const { code, stderr } = await enqueue(['small', '--file', '-', '--skip-bad'], rows)
    expect(code).toBe(5)
    expect(stderr).toMatch(/^line 5 of standard input: queue small holds 2 jobs/m)
    expect(stderr).toMatch(/^line 6 of standard input: queue small holds 2 jobs/m)
    expect(await waiting('small')).toBe(2)
  })
})

describe('drover enqueue --dry-run', () => {
  it('checks a file without Redis and tells how its lines are', async () => {
    write(cwd, 'good.ndjson', `${line(1)}\n${line(2)}\n`)
    write(cwd, 'mixed.ndjson', `${line(1)}\n{"id":4}\n`)
    const run = (words: readonly string[]) =>
      runDrover(['enqueue', 'order', ...words, '--dry-run'], {
        cwd,
        env: { REDIS_URL: 'redis://127.0.0.1:1', DROVER_JOBS: 'contracts.ts' },
      })
    expect(await run(['--file', 'good.ndjson'])).toMatchObject({
      code: 0,
      stdout: '2 rows are good, 0 are bad: nothing was enqueued\n',
    })
    expect(await run(['--file', 'mixed.ndjson'])).toMatchObject({ code: 2 })
    expect(await run(['--file', 'mixed.ndjson', '--skip-bad'])).toMatchObject({ code: 5 })
    const asJson = await run(['--file', 'mixed.ndjson', '--json'])
    expect(JSON.parse(asJson.stdout)).toMatchObject({ dryRun: true, good: 1, bad: 1 })
    expect(await run(['--input', line(1)])).toMatchObject({ code: 0 })
    expect(await run(['--input', '{}'])).toMatchObject({ code: 2 })
  })
})

describe('drover enqueue with keys, tags and a spread', () => {
  it('a file that is given again with --key-field enqueues what is missing', async () => {
    await redis.cli('FLUSHALL')
    write(cwd, 'keyed.ndjson', `${line(1)}\n${line(2)}\n`)
    await enqueue(['order', '--file', 'keyed.ndjson', '--key-field', 'id'])
    write(cwd, 'keyed.ndjson', `${line(1)}\n${line(2)}\n${line(3)}\n`)
    const again = await enqueue(['order', '--file', 'keyed.ndjson', '--key-field', 'id'])
    expect(again.stdout).toMatch(/^enqueued 3 jobs .*, 2 of them were there already\n$/)
    expect(await waiting('orders')).toBe(3)
    const changed = `${JSON.stringify({ id: 'o1', price: 7, zip: '' })}\n${line(4)}\n`
    const conflict = await enqueue(['order', '--file', '-', '--key-field', 'id', '--skip-bad'], changed)
    expect(conflict.code).toBe(5)
    expect(conflict.stderr).toMatch(/^line 1 of standard input: key "o1" of job order was used with another input/m)
    const missing = await enqueue(['order', '--file', 'keyed.ndjson', '--key-field', 'nr'])
    expect(missing).toMatchObject({ code: 2 })
    expect(missing.stderr).toContain('line 1 of keyed.ndjson: its field nr is no text or number for a key')
  })

  it('one job with --key is the same job again, and another input exits with 2', async () => {
    await redis.cli('FLUSHALL')
    const once = (price: number) =>
      enqueue(['order', '--input', JSON.stringify({ id: 'a', price, zip: '' }), '--key', 'order/a', '--json'])
    const first = JSON.parse((await once(1)).stdout) as object
    expect(JSON.parse((await once(1)).stdout)).toEqual({ ...first, deduplicated: true })
    expect(await once(2)).toMatchObject({ code: 2, stdout: '' })
  })

  it('--spread, --tag, --start-by and --keep-result reach the jobs', async () => {
    await redis.cli('FLUSHALL')
    const words = ['--spread', '1h', '--tag', 'import', 'may', '--start-by', '2h', '--keep-result', '5m']
    expect(await enqueue(['order', '--file', 'keyed.ndjson', ...words])).toMatchObject({ code: 0 })
    const delayed = await redis.cli('ZRANGE', '{drover:orders}:orders:delayed', '0', '-1')
    expect(delayed.split('\n')).toHaveLength(2)
    const [id = ''] = delayed.split('\n')
    const opts = JSON.parse(await redis.cli('HGET', `{drover:orders}:orders:${id}`, 'opts'))
    expect(opts).toMatchObject({ delay: 1_200_000, tags: ['import', 'may'], startBy: 7_200_000, keepResult: 300_000 })
    expect(await redis.cli('ZCARD', '{drover:orders}:tag:may')).toBe('3')
  })

  it.each([
    ['--spread with a stream', ['--file', '-', '--spread', '1h'], '--spread needs to know how many rows'],
    ['--spread without a file', ['--input', '{}', '--spread', '1h'], '--spread can only be given with --file'],
    ['--key with a file', ['--file', 'keyed.ndjson', '--key', 'k'], '--key cannot be given with --file'],
    ['another format', ['--file', 'keyed.ndjson', '--format', 'xml'], '--format is one of ndjson, csv, got "xml"'],
    ['a bad tag', ['--input', line(1), '--tag', 'a b'], 'option tags: expected up to 10 texts'],
    ['--key-ttl without a key', ['--input', line(1), '--key-ttl', '1h'], 'option keyTtl: expected a key beside it'],
  ])('%s exits with 2', async (_what, words, message) => {
    const { code, stderr } = await enqueue(['order', ...words], '')
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) })
  })
})
