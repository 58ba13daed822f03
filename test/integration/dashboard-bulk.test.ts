// Many jobs at once from the dashboard: counted, cancelled, run again and discarded by a filter; and what samples may not show.
import { describe, expect, it } from 'vitest'
import { createToken, readAudit } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl, type RedisClient } from '../../src/redis/index.js'
import { ask, BROWSER, form } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'

const { redis, start, openQueue, work, closeAfter } = useDashboards()
const TOKEN = 'correct-horse-battery'

const open = async (url: string, path: string) => (await ask(url, path, { headers: BROWSER })).text
const press = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}, queue = 'media') =>
  ask(url, `/bulk/${queue}`, {
    method: 'POST',
    headers: { ...form(url), ...headers },
    body: String(new URLSearchParams(fields)),
  })

async function openClient(): Promise<RedisClient> {
  const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000, onError: () => undefined })
  closeAfter({ close: async () => client.disconnect() })
  await expect.poll(() => client.status).toBe('ready')
  return client
}

async function fill() {
  const media = await openQueue('media')
  const add = (name: string, jobId: string, opts = {}) => media.add(name, {}, { jobId, ...opts })
  for (let n = 0; n < 3; n++) await add('resize', `bad-${n}`, { tags: n === 0 ? ['first'] : [] })
  await work('media', 3, () => ({ status: 'failed', error: { name: 'TypeError', message: 'no' } }))
  for (let n = 0; n < 4; n++) await add('resize', `cat-${n}`)
  await add('blur', 'dog')
  await add('resize', 'late', { delay: 3_600_000, tags: ['first'] })
  return media
}

describe('many jobs at once', () => {
  it('are counted by the filter before anything is done, and no more than they are', async () => {
    const media = await fill()
    const url = await start()
    for (const [query, words] of [
      ['do=cancel', 'All 6 unfinished jobs'],
      ['do=cancel&job=resize', '5 of the 6 unfinished jobs'],
      ['do=cancel&job=resize&state=waiting', '4 of the 5 waiting jobs'],
      ['do=cancel&tag=first', '1 of the 6 unfinished jobs'],
      ['do=cancel&job=nothing', 'None of the 6'],
      ['do=retry', 'All 3 failed jobs'],
      ['do=discard&tag=first', '1 of the 3 failed jobs'],
    ] as const) {
      expect(await open(url, `/bulk?queue=media&${query}`), query).toContain(words)
    }
    expect(await open(url, '/bulk')).toContain('Choose a queue')
    expect(await media.getJobCounts('waiting', 'delayed', 'failed')).toEqual({ waiting: 5, delayed: 1, failed: 3 })
  })

  it('are cancelled, discarded and run again by that filter, each press once in the audit list with its count', async () => {
    const media = await fill()
    const url = await start()
    const done = await press(url, { do: 'cancel', job: 'resize', state: 'waiting' })
    expect([done.status, done.headers.location]).toEqual([
      303,
      '/bulk?do=cancel&queue=media&job=resize&tag=&state=waiting',
    ])
    expect(await media.getJobCounts('waiting', 'delayed', 'failed')).toEqual({ waiting: 1, delayed: 1, failed: 7 })
    await press(url, { do: 'discard', tag: 'first' })
    expect(await media.getFailedCount()).toBe(6)
    const page = await open(url, '/bulk?do=discard&queue=media')
    expect(page).toMatch(/id="discards"[\s\S]*data-label="jobs">1<[\s\S]*\/errors\/media\/undo/)
    await press(url, { do: 'retry', job: 'resize', stages: 'rest' })
    await expect.poll(() => media.getFailedCount()).toBe(0)
    expect(await open(url, '/bulk?do=retry&queue=media')).toContain('id="replays"')
    await press(url, { do: 'cancel' })
    await expect.poll(() => media.getDelayedCount()).toBe(0)
    const { entries } = await readAudit(await openClient(), 'drover', { limit: 10 })
    expect(entries.map(({ action, target, filter, count }) => [action, target, filter, count])).toEqual([
      ['jobs.cancel', 'media', 'all', expect.any(Number)],
      ['errors.retry', 'media', 'job resize, stages rest', 6],
      ['errors.discard', 'media', 'tag first', 1],
      ['jobs.cancel', 'media', 'job resize, state waiting', 4],
    ])
  })

  it.each([
    [{ do: 'explode' }, 422],
    [{ do: 'cancel', state: 'completed' }, 422],
    [{ do: 'cancel', state: '__proto__' }, 422],
    [{ do: 'cancel', job: 'a b' }, 422],
    [{ do: 'retry', stages: '7' }, 422],
    [{ do: 'retry', stages: 'rest', job: 'nothing' }, 409],
    [{}, 422],
  ] as const)('with %j are refused with %i, and nothing changes', async (fields, status) => {
    const media = await fill()
    expect((await press(await start(), fields)).status).toBe(status)
    expect(await media.getJobCounts('waiting', 'delayed', 'failed')).toEqual({ waiting: 5, delayed: 1, failed: 3 })
  })

  it('are looked for in queues that there are, and in no other name, of which nothing is kept', async () => {
    await fill()
    const url = await start()
    for (const action of ['cancel', 'retry', 'discard']) {
      expect(await open(url, `/bulk?queue=strange&job=resize&do=${action}`)).toContain('There is no queue strange')
      const answer = await press(url, { do: action, stages: 'rest' }, {}, 'strange')
      expect([answer.status, problemOf(answer).code]).toEqual([404, 'QUEUE_NOT_FOUND'])
    }
    expect(await redis().cli('KEYS', '*strange*')).toBe('')
  })

  it('take an operator and our own origin, and are refused in read-only mode', async () => {
    const media = await fill()
    const url = await start({ token: TOKEN })
    const { token } = await createToken(await openClient(), 'drover', { name: 'vera', scopes: ['read'] })
    const viewer = { authorization: `Bearer ${token}` }
    expect((await ask(url, '/bulk', { headers: { ...BROWSER, ...viewer } })).status).toBe(403)
    for (const path of ['/results', '/errors'])
      expect((await ask(url, path, { headers: { ...BROWSER, ...viewer } })).text).not.toContain('/bulk')
    expect(problemOf(await press(url, { do: 'cancel' }, viewer)).code).toBe('ROLE_NEEDED')
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', authorization: `Bearer ${TOKEN}` }
    expect(problemOf(await press(url, { do: 'cancel' }, foreign)).code).toBe('CROSS_SITE')
    expect(problemOf(await press(await start({ readOnly: true }), { do: 'cancel' })).code).toBe('READ_ONLY')
    expect((await press(await start(), { do: 'cancel' }, {}, 'a%20b')).status).toBe(422)
    expect(await media.getWaitingCount()).toBe(5)
  })
})

it('samples of an error, and what their inputs have in common, show no value that is to be redacted', async () => {
  const media = await openQueue('media')
  const secret = { password: 'hunter2', card: { number: '4111', kind: 'visa' } }
  for (let n = 0; n < 3; n++) await media.add('pay', { n, ...secret }, { jobId: `bad-${n}` })
  await work('media', 3, () => ({ status: 'failed', error: { name: 'TypeError', message: 'no' } }))
  const url = await start({ redact: ['input.password', 'input.card.number'] })
  const link = /href="(\/errors\/media\/[0-9a-f]{16})"/.exec(await open(url, '/errors'))?.[1] ?? ''
  const text = await open(url, link)
  expect(text).not.toMatch(/hunter2|4111/)
  expect(text).toContain('[redacted]')
  expect(text).toMatch(/\$\.card\.kind[\s\S]*visa[\s\S]*100 %/)
})
