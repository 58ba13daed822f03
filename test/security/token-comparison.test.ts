// How secrets are compared: as digests of one length, in constant time, whatever was sent. A clock would have to tell
// nanoseconds apart on a busy machine; what is compared does not depend on one.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createHttpApi, createToken } from '../../src/producer/http/index.js'
import { createReaderClient, parseRedisUrl } from '../../src/redis/index.js'
import { ask, signIn } from '../support/dashboard-http.js'
import { useDashboards } from '../support/dashboards.js'
import { read } from '../unit/docs/documents.js'

const compared = vi.hoisted((): { one: Buffer; other: Buffer; isEqual: boolean }[] => [])
vi.mock('node:crypto', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:crypto')>()
  const timingSafeEqual = (one: Buffer, other: Buffer): boolean => {
    const isEqual = original.timingSafeEqual(one, other)
    compared.push({ one: Buffer.from(one), other: Buffer.from(other), isEqual })
    return isEqual
  }
  return { ...original, timingSafeEqual, default: { ...original, timingSafeEqual } }
})
afterEach(() => void compared.splice(0))

const { start, closeAfter, redis } = useDashboards()
const TOKEN = 'the-token-of-the-settings'
const CANDIDATES = [
  ['the right one', TOKEN],
  ['one that is wrong from the first character on', `X${TOKEN.slice(1)}`],
  ['one that is wrong at its last character', `${TOKEN.slice(0, -1)}X`],
  ['one that is too short', TOKEN.slice(0, -1)],
  ['one that is too long', `${TOKEN}${'y'.repeat(400)}`],
] as const
const digest = (text: string) => createHash('sha256').update(text).digest()

async function startApi(): Promise<string> {
  const api = closeAfter(createHttpApi({ redis: redis().url, contracts: [], adminToken: TOKEN }))
  const server = createServer(express().use(api.router)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeAfter({ close: async () => void server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe.each([
  ['the dashboard', () => start({ token: TOKEN }), '/overview.json'],
  ['the HTTP API', startApi, '/v1/queues'],
] as const)('a token sent to %s', (_what, open, path) => {
  it.each(CANDIDATES)('is compared once, by its digest: %s', async (_name, candidate) => {
    const url = await open()
    const { status } = await ask(url, path, { headers: { authorization: `Bearer ${candidate}` } })
    expect(status).toBe(candidate === TOKEN ? 200 : 401)
    expect(compared).toEqual([{ one: digest(candidate), other: digest(TOKEN), isEqual: candidate === TOKEN }])
  })
})

it('a token with a role is compared by its digest with the stored one, which tells nothing of it', async () => {
  const client = createReaderClient(parseRedisUrl(redis().url), { timeoutMs: 60_000 })
  await once(client, 'ready')
  const { token } = await createToken(client, 'drover', { name: 'ann', scopes: ['read'] })
  client.disconnect()
  const url = await startApi()
  const statuses: number[] = []
  const wrong = `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`
  for (const sent of [token, wrong]) {
    statuses.push((await ask(url, '/v1/queues', { headers: { authorization: `Bearer ${sent}` } })).status)
  }
  expect(statuses).toEqual([200, 401])
  const ofStored = compared.filter(({ other }) => other.equals(digest(token)))
  // The wrong one twice: it may have been made after the copy of all tokens was taken.
  const seen = new Set(ofStored.map(({ one, isEqual }) => `${one.toString('hex')} ${isEqual}`))
  expect(seen).toEqual(new Set([`${digest(token).toString('hex')} true`, `${digest(wrong).toString('hex')} false`]))
})

it('the signature of a session is compared with one of the same length', async () => {
  const url = await start({ token: TOKEN })
  const cookie = await signIn(url, TOKEN)
  compared.splice(0)
  const forged = `${cookie.slice(0, -1)}${cookie.endsWith('A') ? 'B' : 'A'}`
  const statuses: number[] = []
  for (const sent of [cookie, forged]) {
    statuses.push((await ask(url, '/overview.json', { headers: { cookie: sent } })).status)
  }
  expect(statuses).toEqual([200, 401])
  expect(compared.map(({ one, other, isEqual }) => [one.length === other.length, isEqual])).toEqual([
    [true, true],
    [true, false],
  ])
})

it('no token and no signature is compared in any other way', () => {
  for (const file of ['dashboard/access/sign-in.ts', 'dashboard/access/session.ts', 'ledger/access/access-list.ts']) {
    expect(read(`src/${file}`)).not.toMatch(
      /\b(candidate|token|signature|digest) [!=]==? (?!undefined\b|''|'string')|\.localeCompare\(/i,
    )
  }
})
