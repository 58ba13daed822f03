// Adding a job by hand: a form made from the contract, checked as an enqueue is, and nothing that goes past that.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createProducer, defineJob } from '../../src/index.js'
import { createToken } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl } from '../../src/redis/index.js'
import { ask, BROWSER, form } from '../support/dashboard-http.js'
import { useDashboards } from '../support/dashboards.js'

const EVIL = `"><script>owned()</script>\u202e`
const mail = defineJob({
  name: 'mail.send',
  queue: 'mail',
  input: z.object({
    to: z.email(),
    retries: z.int().max(5).optional(),
    body: z.object({ subject: z.string().min(3), html: z.boolean().optional() }),
    lines: z.array(z.object({ sku: z.string() })).optional(),
  }),
})
const once = defineJob({ name: 'mail.once', queue: 'mail', input: z.object({}), unique: { while: 'unfinished' } })
const anything = defineJob({ name: 'mail.any', queue: 'mail', input: z.any() })
const { redis, start, openQueue, closeAfter } = useDashboards()

const GOOD = { 'in/to': 'ann@example.com', 'in/body/subject': 'Hello' }
const encode = (fields: Record<string, string>) => new URLSearchParams(fields).toString()

function adding(middleware?: Parameters<typeof createProducer>[0]) {
  const producer = closeAfter(
    createProducer({ redis: redis().url, timeout: '60s', allowVolatile: true, ...middleware }),
  )
  return { contracts: [mail, once, anything], producer }
}

function post(url: string, fields: Record<string, string>, path = '/add/mail/mail.send', headers = {}) {
  return ask(url, path, {
    method: 'POST',
    headers: { ...form(url), accept: 'text/html', ...headers },
    body: encode(fields),
  })
}

const open = async (url: string, path = '/add/mail/mail.send') => (await ask(url, path, { headers: BROWSER })).text
const newId = (page: string) => /name="form-id" value="([\w-]+)"/.exec(page)?.[1] ?? ''

describe('the form for a new job', () => {
  it('is found from the results, has a field for each part of the input, and enqueues what it was given', async () => {
    const queue = await openQueue('mail')
    const url = await start(adding())
    expect(await open(url, '/results')).toContain('href="/add"')
    expect(await open(url, '/add')).toContain('href="/add/mail/mail.send"')
    const page = await open(url)
    for (const name of ['in/to', 'in/retries', 'in/body/subject', 'in/body/html', 'in/lines', 'option/delay'])
      expect(page).toContain(`name="${name}"`)
    const given = { ...GOOD, 'in/retries': '2', 'in/body/html': 'true', 'in/lines': '[{"sku":"a"}]' }
    const options = { 'option/delay': '1h', 'option/tags': 'a, b', 'option/attempts': '7' }
    const { status, headers } = await post(url, { 'form-id': newId(page), ...given, ...options })
    expect([status, headers.location]).toEqual([303, `/results/mail/${newId(page)}?done=add`])
    const job = await queue.getJob(newId(page))
    expect(job?.data).toEqual({
      to: 'ann@example.com',
      retries: 2,
      body: { subject: 'Hello', html: true },
      lines: [{ sku: 'a' }],
    })
    expect(job?.opts).toMatchObject({ delay: 3_600_000, attempts: 7, tags: ['a', 'b'] })
    expect(await open(url, '/audit')).toMatch(/job\.add[\s\S]*mail\/mail\.send[\s\S]*data-label="count">1</)
  })

  it('sent twice makes one job', async () => {
    const queue = await openQueue('mail')
    const url = await start(adding())
    const fields = { 'form-id': newId(await open(url)), ...GOOD }
    const places = [await post(url, fields), await post(url, fields)].map(({ headers }) => headers.location)
    expect(places[0]).toBe(places[1])
    expect(await queue.getWaitingCount()).toBe(1)
  })

  it('goes through the middleware and the rules of the producer', async () => {
    const queue = await openQueue('mail')
    const hide = async (call: { inputText: string }, next: () => Promise<never>) => {
      call.inputText = JSON.stringify({ hidden: Buffer.from(call.inputText).toString('base64') })
      return next()
    }
    const url = await start(adding({ middleware: [hide as never] }))
    const place = String((await post(url, { 'form-id': 'cat', ...GOOD })).headers.location)
    expect(place).toContain('/results/mail/cat')
    expect(Object.keys((await queue.getJob('cat'))?.data)).toEqual(['hidden'])
    const first = await post(url, { 'form-id': 'one' }, '/add/mail/mail.once')
    const second = await post(url, { 'form-id': 'two' }, '/add/mail/mail.once')
    expect([first, second].map(({ headers }) => headers.location)).toEqual([
      '/results/mail/one?done=add',
      '/results/mail/one?done=known',
    ])
    expect(await open(url, '/results/mail/one?done=known')).toContain('No job was added')
    const again = await post(
      url,
      { input: JSON.stringify({ to: 'bob@example.com', body: { subject: 'Hello' } }) },
      '/results/mail/cat/run',
    )
    const id = /mail\/([\w-]+)\?done=run/.exec(String(again.headers.location))?.[1] ?? ''
    expect(Object.keys((await queue.getJob(id))?.data)).toEqual(['hidden'])
  })

  it('that the contract or the options refuse comes back as it was, each complaint beside its field', async () => {
    const queue = await openQueue('mail')
    const url = await start(adding())
    const { status, text } = await post(url, {
      'in/to': EVIL,
      'in/retries': 'x',
      'in/body/subject': 'Hi',
      'in/lines': '[{',
    })
    expect(status).toBe(400)
    expect(text).toMatch(/id="field-in\.2f\.lines-wrong">is not JSON/)
    const refused = (await post(url, { 'in/to': EVIL, 'in/retries': 'x', 'in/body/subject': 'Hi', 'in/lines': '[{}]' }))
      .text
    for (const name of ['to', 'retries', 'body.2f\\.subject', 'lines'])
      expect(refused).toMatch(
        new RegExp(
          `name="in/[^"]*"[^>]*aria-invalid="true"[^>]*aria-describedby="field-in\\.2f\\.${name.replace('.2f', '\\.2f')}-wrong`,
        ),
      )
    expect(refused).toContain('$.lines[0].sku:')
    expect(refused).toContain('value="&quot;&gt;&lt;script&gt;')
    expect(refused).not.toContain('<script>owned')
    for (const [option, value] of [
      ['delay', 'soon'],
      ['priority', '0'],
      ['attempts', 'many'],
      ['tags', 'ä'],
      ['key', 'a b'],
    ] as const) {
      const answer = await post(url, { ...GOOD, [`option/${option}`]: value })
      expect([answer.status, answer.text]).toEqual([
        400,
        expect.stringContaining(`id="field-option.2f.${option}-wrong"`),
      ])
    }
    expect((await post(url, { as: 'json', in: '{"to":1}' })).status).toBe(400)
    expect((await post(url, { as: 'json', in: '{"__proto__":{}}' }, '/add/mail/mail.any')).status).toBe(400)
    expect(
      (await post(url, { as: 'json', in: JSON.stringify('x'.repeat(300_000)) }, '/add/mail/mail.any')).status,
    ).toBe(413)
    expect((await post(url, { in: 'x'.repeat(1_100_000) })).status).toBe(413)
    expect(await queue.getWaitingCount()).toBe(0)
    expect(await open(url, '/audit')).toMatch(/job\.add[\s\S]*INVALID_OPTION/)
  })

  it('takes an idempotency key, and says when it was used with another input', async () => {
    await openQueue('mail')
    const url = await start(adding())
    const fields = { 'form-id': 'cat', 'option/key': 'welcome:ann' }
    expect((await post(url, { ...fields, ...GOOD })).status).toBe(303)
    expect((await post(url, { ...fields, ...GOOD })).headers.location).toMatch(/done=known$/)
    const other = await post(url, { ...fields, ...GOOD, 'in/body/subject': 'Other' })
    expect([other.status, other.text]).toEqual([409, expect.stringContaining('was used with another input')])
  })

  it('is JSON for an input whose schema tells of no fields, and by choice', async () => {
    const queue = await openQueue('mail')
    const url = await start(adding())
    expect(await open(url, '/add/mail/mail.any')).toContain('<textarea id="field-in" name="in"')
    expect(await open(url, '/add/mail/mail.send?as=json')).toContain('<textarea id="field-in" name="in"')
    const { headers } = await post(url, { 'form-id': 'cat', in: '[1, "two"]' }, '/add/mail/mail.any')
    expect(headers.location).toBe('/results/mail/cat?done=add')
    expect((await queue.getJob('cat'))?.data).toEqual([1, 'two'])
  })
})

describe('whoever may not add', () => {
  it('is a viewer, a page of another site, a read-only dashboard, or one that knows no such contract', async () => {
    const queue = await openQueue('mail')
    const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000, onError: () => undefined })
    closeAfter({ close: async () => client.disconnect() })
    await new Promise((resolve) => client.once('ready', resolve))
    const { token } = await createToken(client, 'drover', { name: 'vera', scopes: ['read'] })
    const url = await start({ token: 'correct-horse-battery', ...adding() })
    const viewer = { authorization: `Bearer ${token}` }
    for (const path of ['/add', '/add/mail/mail.send']) {
      expect((await ask(url, path, { headers: { ...BROWSER, ...viewer } })).status).toBe(403)
    }
    expect((await ask(url, '/results', { headers: { ...BROWSER, ...viewer } })).text).not.toContain('href="/add"')
    expect((await post(url, GOOD, undefined, viewer)).status).toBe(403)
    const open = await start(adding())
    expect(
      (await post(open, GOOD, undefined, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' })).status,
    ).toBe(403)
    expect((await ask(open, '/add/mail/mail.send', { method: 'PUT', headers: form(open) })).status).toBe(405)
    expect((await post(open, GOOD, '/add/mail/nothing')).status).toBe(404)
    expect((await post(open, GOOD, '/add/__proto__/constructor')).status).toBe(404)
    expect((await post(await start({ readOnly: true, ...adding() }), GOOD)).status).toBe(403)
    const bare = await start()
    expect((await post(bare, GOOD)).status).toBe(404)
    expect((await ask(bare, '/add', { headers: BROWSER })).text).toContain('No contract of a job is known here')
    expect(await queue.getWaitingCount()).toBe(0)
  })
})
