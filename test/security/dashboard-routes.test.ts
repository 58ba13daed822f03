// Every route of the dashboard, from the table of them: who may not use it, from where, and by which method.
import { expect, it } from 'vitest'
import { BOARD_ROUTES } from '../../src/dashboard/board/board-actions.js'
import { ROUTES } from '../../src/dashboard/routes.js'
import { createToken, includesRole, type Role, type Scope } from '../../src/ledger/index.js'
import { createReaderClient, parseRedisUrl } from '../../src/redis/index.js'
import { ask, form } from '../support/dashboard-http.js'
import { problemOf, useDashboards } from '../support/dashboards.js'

const TOKEN = 'correct-horse-battery'
const { redis, start, openQueue, closeAfter } = useDashboards()
const SCOPES: readonly (readonly [role: Role, scopes: readonly Scope[]])[] = [
  ['viewer', ['read']],
  ['operator', ['read', 'operate']],
]
const FOREIGN = [
  { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
  { origin: 'null', 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'same-site' },
]
const filled = (path: string) => path.replace(/:\w+/g, 'media')
const routes = [
  ...ROUTES.map(({ method, path, role, changes }) => ({
    method,
    path: filled(path),
    role,
    isChange: changes !== 'nothing',
    changes,
  })),
  ...BOARD_ROUTES.map(({ method, path, role, action }) => ({
    method,
    path: `/queues${filled(path)}`,
    role,
    isChange: action !== undefined,
    changes: action === undefined ? 'nothing' : 'jobs',
  })),
]

it('takes no stranger, no lesser role, no other site, and nothing in read-only mode', async () => {
  await openQueue('media')
  const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000, onError: () => undefined })
  closeAfter({ close: async () => client.disconnect() })
  await expect.poll(() => client.status).toBe('ready')
  const tokens = await Promise.all(
    SCOPES.map(
      async ([role, scopes]) => [role, (await createToken(client, 'drover', { name: role, scopes })).token] as const,
    ),
  )
  const url = await start({ token: TOKEN })
  const readOnly = await start({ token: TOKEN, readOnly: true })
  for (const { method, path, role, isChange, changes } of routes) {
    const what = `${method} ${path}`
    const send = (to: string, headers: Record<string, string>) => ask(to, path, { method, headers })
    const own = isChange ? form(url) : {}
    if (role !== 'none') {
      const answer = await send(url, own)
      expect([what, answer.status, problemOf(answer).code]).toEqual([what, 401, 'SIGN_IN_NEEDED'])
      for (const [has, token] of tokens.filter(([has]) => !includesRole(has, role))) {
        const refused = await send(url, { ...own, authorization: `Bearer ${token}` })
        expect([what, has, refused.status, problemOf(refused).code]).toEqual([what, has, 403, 'ROLE_NEEDED'])
      }
    }
    if (!isChange) continue
    for (const headers of FOREIGN) {
      const answer = await send(url, { ...headers, authorization: `Bearer ${TOKEN}` })
      expect([what, answer.status, problemOf(answer).code]).toEqual([what, 403, 'CROSS_SITE'])
    }
    if (changes !== 'jobs') continue
    const answer = await send(readOnly, { ...form(readOnly), authorization: `Bearer ${TOKEN}` })
    expect([what, answer.status, problemOf(answer).code]).toEqual([what, 403, 'READ_ONLY'])
  }
  expect(await redis().cli('EXISTS', 'drover:audit')).toBe('0')
})

it('answers another method with 405 and the methods there are', async () => {
  const url = await start()
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']
  const isOf = (pattern: string, path: string) =>
    new RegExp(`^${pattern.replace(/:\w+/g, '[^/]+')}$`).test(filled(path))
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    // `/errors/media/undo` is also an error group of that name, to GET.
    const own = ROUTES.filter((route) => isOf(route.path, path)).map(({ method }) => method as string)
    for (const method of methods.filter((each) => !own.includes(each))) {
      const { status, headers } = await ask(url, filled(path), { method, headers: form(url) })
      expect([method, path, status]).toEqual([method, path, 405])
      expect(own.filter((each) => headers.allow?.includes(each))).not.toEqual([])
    }
  }
})
