// The Errors pages over HTTP: causes, one cause with what a hostile job wrote, a replay, a discard and its undo, and who may.
import { expect, it, vi } from 'vitest'
import { defineJob } from '../../src/job/index.js'
import { handle } from '../../src/worker/index.js'
import { ask, BROWSER, form } from '../support/dashboard-http.js'
import { untilReady, useDashboards } from '../support/dashboards.js'
import { anything } from '../support/schemas.js'
import { PATIENCE } from '../support/until.js'
import { openWorkshop } from '../support/worker.js'

const EVIL = `<script>alert(1)</script><img src=x onerror="x"> \u001b[31m\u202e`
const dashboards = useDashboards()

it('causes are shown, run again, discarded and brought back, each once in the audit list', async () => {
  const shop = dashboards.closeAfter(await openWorkshop())
  const mail = defineJob({ name: 'mail', queue: 'mails', input: anything, attempts: 1 })
  let isMended = false
  await shop.work([
    handle(mail, () => {
      if (!isMended) throw new Error(`no stock ${EVIL}`)
      return null
    }),
  ])
  const jobs = await Promise.all([1, 2, 3].map((n) => shop.producer.enqueue(mail, { n, shop: 'AT', evil: EVIL })))
  await Promise.all(jobs.map((job) => shop.end(job)))
  const [group] = (await shop.producer.errors.list()).groups
  const at = await dashboards.start({ redis: shop.server.url })
  await untilReady(at)
  const path = `/errors/mails/${group?.id}`
  const page = async (where: string) => (await ask(at, where, { headers: BROWSER })).text
  const post = (where: string, body = '', headers = form(at)) =>
    ask(at, where, { method: 'POST', headers: { ...headers, accept: 'text/html' }, body })

  for (const where of ['/errors', '/errors?queue=mails&job=mail', path]) {
    const text = await page(where)
    expect(text, where).toContain('no stock')
    expect(text, where).not.toMatch(/<script>alert|<img src=x|\p{Cf}|(?!\n)\p{Cc}/u)
  }
  expect(await page(path)).toContain('$.shop')
  expect(await page(path)).toContain(jobs[0]?.id)
  expect(await page('/errors?job=other')).toContain('No error fits')

  expect((await post(`${path}/retry`, 'stages=1', { ...form(at), origin: 'http://evil.test' })).status).toBe(403)
  expect((await post(`${path}/retry`, 'stages=7')).status).toBe(422)
  expect((await post(`${path}/discard`)).status).toBe(303)
  expect(await page(path)).toContain('None of its jobs is failed any more')
  expect((await post(`${path}/retry`, 'stages=1')).status).toBe(409)
  const [discard] = await shop.producer.errors.discards('mails')
  expect((await post('/errors/mails/undo', `discard=${discard?.id}`)).status).toBe(303)
  expect((await shop.producer.errors.get('mails', group?.id ?? '')).group.failed).toBe(3)

  isMended = true
  const sent = await post(`${path}/retry`, 'stages=1%2C10%2Crest')
  expect([sent.status, sent.headers.location]).toEqual([303, `${path}#replays`])
  await vi.waitFor(async () => {
    const [replay] = await shop.producer.errors.replays('mails')
    expect(replay).toMatchObject({ state: 'done', retried: 3, failed: 0 })
  }, PATIENCE)
  expect(await page(path)).toContain('3 ended of 3 put back')
  const [replay] = await shop.producer.errors.replays('mails')
  expect((await post('/errors/mails/stop', `replay=${replay?.id}`)).status).toBe(303)
  const audit = await page('/audit')
  for (const action of ['retry', 'discard', 'undo', 'stop']) expect(audit).toContain(`errors.${action}`)
})

it('what is not there or not allowed is told', async () => {
  const open = await dashboards.start()
  const status = async (at: string, path: string, method = 'GET') =>
    (await ask(at, path, { method, headers: method === 'GET' ? BROWSER : form(at) })).status
  expect(await (await ask(open, '/errors', { headers: BROWSER })).text).toContain('No job has failed for good')
  const none = '/errors/mails/0123456789abcdef'
  for (const path of [none, '/errors/mails/x', '/errors/a%7Cb/other', `${none}/retry`]) {
    expect([path, await status(open, path)]).toEqual([path, path.endsWith('retry') ? 405 : 404])
  }
  expect(await status(open, `${none}/discard`, 'POST')).toBe(404)
  expect(await status(open, '/errors/mails/undo', 'POST')).toBe(404)
  const readOnly = await dashboards.start({ readOnly: true })
  for (const path of [`${none}/retry`, `${none}/discard`, '/errors/mails/undo', '/errors/mails/stop']) {
    expect([path, await status(readOnly, path, 'POST')]).toEqual([path, 403])
  }
  const closed = await dashboards.start({ token: 'a-token-that-is-long' })
  expect(await status(closed, `${none}/retry`, 'POST')).toBe(401)
})
