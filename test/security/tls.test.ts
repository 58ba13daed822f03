// Redis over TLS, with real servers and certificates: the right authority connects producer, worker and dashboard;
// whatever is wrong with the certificate is refused before the password is sent, and said.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDashboard } from '../../src/dashboard/index.js'
import { defineJob } from '../../src/job/index.js'
import { createProducer } from '../../src/producer/index.js'
import { parseRedisUrl, type RedisSettings } from '../../src/redis/index.js'
import { createWorker, handle } from '../../src/worker/index.js'
import { ask } from '../support/dashboard-http.js'
import { untilReady } from '../support/dashboards.js'
import { buildDrover, makeProject, runDrover } from '../support/drover-cli.js'
import { GREETING_FILES } from '../support/greeting-jobs.js'
import { startTestRedis, type TestRedis } from '../support/redis.js'
import { anything } from '../support/schemas.js'
import { collectLog } from '../support/worker.js'
import { Authority, startTlsRedis, type TlsRedis } from './certificates.js'

const PASSWORD = 'c4nary-tls-password'
const resize = defineJob({ name: 'resize', queue: 'media', input: anything })
const authority = new Authority()
const servers: Record<string, TlsRedis> = {}
/** How often each server was sent a password before the first test. */
const signIns: Record<string, number> = {}
const NEVER_TRUSTED = ['expired', 'of another host', 'signed by itself']
let plain: TestRedis

beforeAll(async () => {
  await buildDrover()
  const certificates = {
    good: authority.server('good', 'ours', 'DNS:localhost,IP:127.0.0.1'),
    expired: authority.server('expired', 'ours', 'DNS:localhost,IP:127.0.0.1', -1),
    'of another host': authority.server('elsewhere', 'ours', 'DNS:redis.example'),
    'signed by itself': authority.root('localhost'),
  }
  for (const [name, certificate] of Object.entries(certificates)) {
    servers[name] = await startTlsRedis(certificate, PASSWORD)
  }
  for (const name of NEVER_TRUSTED) signIns[name] = await countSignIns(name)
  plain = await startTestRedis({ password: PASSWORD, appendonly: true })
})
afterAll(async () => {
  await Promise.all(Object.values(servers).map(({ redis }) => redis.close()))
  await plain?.close()
  authority.close()
})

async function countSignIns(name: string): Promise<number> {
  const { redis } = servers[name] as TlsRedis
  const stats = await redis.cli('-s', `${redis.directory}/redis.sock`, 'INFO', 'commandstats')
  // redis-cli has signed in to ask.
  expect(stats).toMatch(/cmdstat_auth:calls=[1-9]/)
  const calls = [...stats.matchAll(/cmdstat_(?:hello|auth):calls=(\d+)/g)].map(([, count]) => Number(count))
  return calls.reduce((sum, count) => sum + count, 0)
}

function urlOf(port: number, scheme = 'rediss'): string {
  return `${scheme}://:${PASSWORD}@localhost:${port}`
}

function portOf(name: string): number {
  return servers[name]?.port ?? 0
}

/** Settings that trust the authority of this name. */
function trusting(name: string, port: number): RedisSettings {
  return { ...parseRedisUrl(urlOf(port)), tls: { ca: authority.root(name).pem } } as RedisSettings
}

it('the right authority connects producer, worker, result and dashboard', async () => {
  const redis = trusting('ours', portOf('good'))
  const producer = createProducer({ redis, timeout: '60s' })
  const { logger } = collectLog()
  const worker = await createWorker({ redis, logger, handlers: [handle(resize, () => 'done')] })
  const dashboard = createDashboard({ redis, port: 0, timeout: '60s' })
  try {
    const job = await producer.enqueue(resize, {})
    expect(await producer.results.wait(job)).toMatchObject({ ok: true, value: 'done' })
    const { url } = await dashboard.listen()
    await untilReady(url)
    expect((await ask(url, '/')).text).toContain('media')
  } finally {
    await dashboard.close()
    await worker.close()
    await producer.close()
  }
})

const REFUSED: readonly [string, () => RedisSettings, RegExp][] = [
  ['of an authority that is not trusted', () => trusting('theirs', portOf('good')), /UNABLE_TO|SELF_SIGNED/],
  ['that has expired', () => trusting('ours', portOf('expired')), /CERT_HAS_EXPIRED/],
  ['of another host', () => trusting('ours', portOf('of another host')), /ERR_TLS_CERT_ALTNAME_INVALID/],
  ['signed by itself', () => trusting('ours', portOf('signed by itself')), /SELF_SIGNED/],
  ['that is none, as the server speaks plain text', () => trusting('ours', plain.port), /./],
]

describe('a certificate', () => {
  it.concurrent.each(REFUSED)(
    '%s is refused by producer, worker and dashboard, which say why and show no password',
    async (...row) => {
      const [, settings, reason] = row
      const redis = settings()
      const { logger, lines } = collectLog()
      const producer = createProducer({ redis, timeout: '5s' })
      const dashboard = createDashboard({ redis, port: 0, logger })
      const [enqueued, started] = await Promise.all([
        producer.enqueue(resize, {}).catch((error: unknown) => error),
        createWorker({ redis, logger, handlers: [handle(resize, () => 'done')] }).catch((error: unknown) => error),
      ])
      const { url } = await dashboard.listen()
      expect((await ask(url, '/readyz')).status).toBe(503)
      const page = await ask(url, '/')
      await dashboard.close()
      await producer.close()
      for (const error of [enqueued, started]) {
        expect(error).toMatchObject({ code: 'REDIS_UNAVAILABLE' })
        const { message, stack, cause } = error as Error & { cause?: NodeJS.ErrnoException }
        expect(`${cause?.code} ${cause?.message}`).toMatch(reason)
        expect(`${message} ${stack} ${cause?.message} ${cause?.stack} ${JSON.stringify(error)}`).not.toContain(PASSWORD)
      }
      expect(page.text + JSON.stringify(lines)).not.toContain(PASSWORD)
    },
  )

  it('is asked for: a plain connection to a server with TLS gets nothing, and says so', async () => {
    const producer = createProducer({ redis: urlOf(portOf('good'), 'redis'), timeout: '1s' })
    await expect(producer.enqueue(resize, {})).rejects.toMatchObject({ code: 'REDIS_UNAVAILABLE' })
    await producer.close()
  })

  it('that was refused never saw the password', async () => {
    // The servers count who signed in: at the refused ones nobody but redis-cli, which asks them that.
    for (const name of NEVER_TRUSTED) expect(await countSignIns(name)).toBe((signIns[name] ?? 0) + 1)
  })
})

describe('the command', () => {
  it('enqueues with NODE_EXTRA_CA_CERTS, and without it ends with 69 and the reason, not the password', async () => {
    const cwd = makeProject(GREETING_FILES)
    const env = { REDIS_URL: urlOf(portOf('good')), DROVER_JOBS: 'contracts.ts' }
    const words = ['enqueue', 'greet', '--input', '{"name":"Ann"}']
    const refused = await runDrover(words, { cwd, env })
    expect(refused.code).toBe(69)
    expect(refused.stderr).toMatch(/cause: .*certificate/)
    expect(refused.stdout + refused.stderr).not.toContain(PASSWORD)
    const trusted = { ...env, NODE_EXTRA_CA_CERTS: authority.root('ours').certFile }
    expect(await runDrover(words, { cwd, env: trusted })).toMatchObject({ code: 0, stderr: '' })
  })
})
