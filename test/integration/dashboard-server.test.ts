// Starting and ending a dashboard: where it listens, below which path, inside which application, and what it leaves.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import express from 'express'
import { describe, expect, it } from 'vitest'
import type { Dashboard } from '../../src/dashboard/index.js'
import { ClosedError, InvalidOptionError, PortInUseError, TokenRequiredError } from '../../src/job/index.js'
import { ask, BROWSER, form, signIn } from '../support/dashboard-http.js'
import { untilReady, useDashboards } from '../support/dashboards.js'
import { freePort } from '../support/redis.js'

const { closeAfter, create, redis } = useDashboards()

/** Another express application with a dashboard in it, as a user has it. */
async function embed(path: string, dashboard: Dashboard, { proxies = 0, host = '127.0.0.1' } = {}): Promise<string> {
  const app = express()
  app.set('trust proxy', proxies)
  app.use(path, dashboard.app)
  app.get('/own', (_request, response) => void response.send('own page'))
  const server = createServer(app).listen(0, host)
  await once(server, 'listening')
  closeAfter({
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
  return `http://${host}:${(server.address() as AddressInfo).port}`
}

describe('listen', () => {
  it('serves on the port that was asked for, and on a free one for 0', async () => {
    const port = await freePort()
    const listening = await create({ port }).listen()
    expect(listening).toEqual({ url: `http://127.0.0.1:${port}`, port })
    expect((await ask(listening.url, '/livez')).status).toBe(200)
    const other = await create().listen()
    expect(other.port).toBeGreaterThan(0)
    expect((await ask(other.url, '/livez')).status).toBe(200)
  })

  it('called twice, gives the same', async () => {
    const dashboard = create()
    expect(await dashboard.listen()).toEqual(await dashboard.listen())
  })

  it('on a port in use says so, and works once the port is free', async () => {
    // Not one that the system gives to whoever asks for any port, who would have it as soon as the holder is gone.
    const port = await freePort()
    const holder = create({ port })
    await holder.listen()
    const dashboard = create({ port })
    await expect(dashboard.listen()).rejects.toThrow(PortInUseError)
    await expect(dashboard.listen()).rejects.toMatchObject({ code: 'PORT_IN_USE', port })
    await holder.close()
    expect((await dashboard.listen()).port).toBe(port)
  })

  it('on an address that is not this machine’s says so', async () => {
    await expect(create({ host: '192.0.2.1', token: 'correct-horse' }).listen()).rejects.toThrow(InvalidOptionError)
  })

  it('on all addresses needs a token, and says so before anything is bound', async () => {
    const port = await freePort()
    expect(() => create({ host: '0.0.0.0', port })).toThrow(TokenRequiredError)
    await expect(ask(`http://127.0.0.1:${port}`, '/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    const { url } = await create({ host: '0.0.0.0', port, token: 'correct-horse' }).listen()
    expect(url).toBe(`http://localhost:${port}`)
    await untilReady(`http://127.0.0.1:${port}`)
    const answer = await ask(`http://127.0.0.1:${port}`, '/overview.json', {
      headers: { host: 'any.example', authorization: 'Bearer correct-horse' },
    })
    expect(answer.status).toBe(200)
  })

  it('on ::1 gives an address that works', async () => {
    const { url } = await create({ host: '::1' }).listen()
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/)
    await untilReady(url)
    expect((await ask(url, '/overview.json')).status).toBe(200)
  })

  it('below a base path serves there and nowhere else', async () => {
    const { url } = await create({ basePath: '/admin/jobs/' }).listen()
    expect(url).toMatch(/:\d+\/admin\/jobs$/)
    await untilReady(url)
    for (const path of ['/admin/jobs', '/admin/jobs/']) {
      const { status, text } = await ask(url, path, { headers: BROWSER })
      expect([path, status]).toEqual([path, 200])
      expect(text).toContain('href="/admin/jobs/assets/page.css"')
    }
    expect((await ask(url, '/admin/jobs/livez')).status).toBe(200)
    expect((await ask(url, '/admin/jobs/queues', { headers: BROWSER })).text).toContain(
      '<base href="/admin/jobs/queues/" />',
    )
    for (const path of ['/', '/livez', '/admin', '/admin/jobsx']) {
      const outside = await ask(url, path)
      expect([path, outside.status, outside.json<{ code: string }>().code]).toEqual([path, 404, 'NOT_FOUND'])
      expect(outside.headers).not.toHaveProperty('x-powered-by')
    }
  })
})

describe('close', () => {
  it('ends server and connections, and can be called again', async () => {
    const dashboard = create()
    const { url } = await dashboard.listen()
    await ask(url, '/queues/api/queues')
    const clients = async () => (await redis().cli('CLIENT', 'LIST')).split('\n').length
    const before = await clients()
    await Promise.all([dashboard.close(), dashboard.close()])
    await expect(ask(url, '/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await expect.poll(clients).toBe(before - 2)
    await expect(dashboard.listen()).rejects.toThrow(ClosedError)
  })

  it('while it starts leaves nothing behind', async () => {
    const port = await freePort()
    const dashboard = create({ port })
    const listening = dashboard.listen()
    await dashboard.close()
    await listening
    await expect(ask(`http://127.0.0.1:${port}`, '/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('of one that never listened ends its connections', async () => {
    await create().close()
  })
})

describe('inside another express application', () => {
  it('takes its base path from where it is put, and leaves the rest alone', async () => {
    const url = await embed('/admin/jobs', create())
    for (const path of ['/admin/jobs', '/admin/jobs/']) {
      const { status, text } = await ask(url, path, { headers: BROWSER })
      expect([path, status]).toEqual([path, 200])
      expect(text).toContain('href="/admin/jobs/queues"')
    }
    expect((await ask(url, '/admin/jobs/queues', { headers: BROWSER })).text).toContain(
      '<base href="/admin/jobs/queues/" />',
    )
    expect((await ask(url, '/admin/jobs/assets/live.js')).status).toBe(200)
    const own = await ask(url, '/own')
    expect([own.text, own.headers['content-security-policy']]).toEqual(['own page', undefined])
  })

  it('signs in and out below that path, over https as the application’s own proxy setting says', async () => {
    const url = await embed('/admin/jobs', create({ token: 'correct-horse' }), { proxies: 1 })
    const away = await ask(url, '/admin/jobs/queues?x=1', { headers: BROWSER })
    expect(away.headers.location).toBe('/admin/jobs/sign-in?next=%2Fqueues%3Fx%3D1')
    const headers = { ...form(url), 'x-forwarded-proto': 'https' }
    const back = await ask(url, '/admin/jobs/sign-in', {
      method: 'POST',
      headers,
      body: 'token=correct-horse&next=/queues',
    })
    expect([back.status, back.headers.location]).toEqual([303, '/admin/jobs/queues'])
    expect(back.headers['set-cookie']?.[0]).toMatch(/^__Host-drover=/)
  })

  it('can be told another public path, for a proxy that takes a part of it off', async () => {
    const url = await embed('/', create({ basePath: '/public' }))
    expect((await ask(url, '/', { headers: BROWSER })).text).toContain('href="/public/assets/page.css"')
  })

  it('without a token answers no request that a proxy brought', async () => {
    const url = await embed('/jobs', create())
    expect((await ask(url, '/jobs', { headers: { host: 'shop.example' } })).status).toBe(403)
    expect((await ask(url, '/jobs', { headers: { 'x-forwarded-for': '203.0.113.9' } })).status).toBe(403)
    expect((await ask(url, '/jobs/overview.json')).status).toBe(200)
  })
})

const [outerAddress] = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal, family }) => !internal && family === 'IPv4')

describe.runIf(outerAddress)('inside an application that other machines reach', () => {
  it('without a token answers none of them, whatever name they ask for', async () => {
    const url = await embed('/jobs', create(), { host: outerAddress?.address ?? '' })
    expect((await ask(url, '/jobs', { headers: { host: 'localhost' } })).status).toBe(403)
  })
})

describe('a cookie over plain http', () => {
  it('is sent only below the base path', async () => {
    const { url } = await create({ basePath: '/jobs', token: 'correct-horse' }).listen()
    const answer = await ask(url, '/jobs/sign-in', { method: 'POST', headers: form(url), body: 'token=correct-horse' })
    expect(answer.headers['set-cookie']?.[0]).toContain('; Path=/jobs;')
    await expect(signIn(url, 'correct-horse')).rejects.toThrow(/404/)
  })
})
