// The commands of docker-compose.yml as real processes, in the folder that the image has: no container engine is needed.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildDrover, type RunningCommand, startCommand } from '../support/drover-cli.js'
import { freePort, startTestRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { interpolate, readCompose } from './compose-spec.js'
import { execForm, readStages } from './dockerfile.js'
import { asImageUser, type ImageFolder, layImage } from './image-folder.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const { services } = readCompose(`${ROOT}docker-compose.yml`)
const image = readStages(`${ROOT}Dockerfile`).at(-1) ?? []
const instruction = (name: string) => image.find((entry) => entry.name === name)?.rest ?? ''
const entrypoint = execForm(instruction('ENTRYPOINT'))
const TOKEN = 'a-token-for-this-test'

let folder: ImageFolder
let redis: TestRedis
let port: number
let healthPort: number

beforeAll(async () => {
  await buildDrover()
  folder = layImage(ROOT, image)
  port = await freePort()
  healthPort = await freePort()
  const [, ...args] = serviceOf('redis').command
  redis = await startTestRedis({ appendonly: true, args })
})

afterAll(async () => {
  await redis.close()
  folder.remove()
})

function serviceOf(name: string) {
  const service = services[name]
  if (service === undefined) throw new Error(`no service ${name}`)
  return service
}

/** The service's environment, at the addresses of this test. */
function environmentOf(name: string): Record<string, string> {
  const entries = Object.entries(serviceOf(name).environment ?? {}).map(([key, value]) => {
    const text = interpolate(value, { DROVER_TOKEN: TOKEN })
    return [key, text.replace('redis://redis:6379', redis.url).replace(/^3000$/, String(port))] as const
  })
  const ofImage = { NODE_ENV: 'production', DROVER_HEALTH_PORT: String(healthPort) }
  return { ...Object.fromEntries(entries), ...ofImage, TMPDIR: folder.temporary, HOME: '/' }
}

/** Runs words as a container of this service would. */
function runIn(name: string, words: readonly string[]): RunningCommand {
  const here = words.map((word) =>
    word
      .replace(/^node$/, process.execPath)
      .replace('"/app"', JSON.stringify(folder.app))
      .replace(':9464/', `:${healthPort}/`),
  )
  const [program = '', ...args] = [...asImageUser(image, folder.app), ...here]
  return startCommand(program, args, { cwd: folder.app, env: environmentOf(name) })
}

const startService = (name: string) => runIn(name, [...entrypoint, ...serviceOf(name).command])

function healthOf(name: string): RunningCommand {
  const fromImage = execForm(instruction('HEALTHCHECK').replace(/^.*CMD /, ''))
  return runIn(name, serviceOf(name).healthcheck?.test.slice(1) ?? fromImage)
}

const isHealthy = async (name: string) => (await healthOf(name).finished).code === 0

test('Redis runs by its command and passes its own health check', async () => {
  const [, program = '', ...args] = serviceOf('redis').healthcheck?.test ?? []
  expect(program).toBe('redis-cli')
  expect(await redis.cli(...args)).toBe('PONG')
  expect(await redis.cli('CONFIG', 'GET', 'maxmemory-policy')).toContain('noeviction')
})

test('the worker works on what the example enqueues, is healthy, and ends with 0 on the image’s stop signal', async () => {
  const worker = startService('worker')
  await worker.until(/worker ready/)
  await until('the worker is healthy', () => isHealthy('worker'))

  const example = await startService('example').finished
  expect(example).toMatchObject({ code: 0 })
  expect(JSON.parse(example.stdout)).toMatchObject({ bytes: statSync(join(ROOT, 'package.json')).size })

  worker.kill(instruction('STOPSIGNAL') as NodeJS.Signals)
  expect(await worker.finished).toMatchObject({ code: 0, signal: null })
})

test('the dashboard is healthy while it runs, asks for its token, and ends with 0 on the image’s stop signal', async () => {
  expect(await isHealthy('serve')).toBe(false)
  const serve = startService('serve')
  await until('the dashboard is healthy', () => isHealthy('serve'))

  const api = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'application/json' } })
  expect(api.status).toBe(401)
  const signedIn = await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: `Bearer ${TOKEN}` } })
  expect(signedIn.status).toBe(200)

  serve.kill(instruction('STOPSIGNAL') as NodeJS.Signals)
  expect(await serve.finished).toMatchObject({ code: 0, signal: null })
  expect(await isHealthy('serve')).toBe(false)
})

test('a worker is not healthy before it runs, nor while its Redis is gone', async () => {
  expect(await isHealthy('worker')).toBe(false)
  const worker = startService('worker')
  await worker.until(/worker ready/)
  await until('the worker is healthy', () => isHealthy('worker'))
  await redis.kill()
  await until('the worker is not healthy', async () => !(await isHealthy('worker')))
  await redis.restart()
  await until('the worker is healthy again', () => isHealthy('worker'))
  worker.kill(instruction('STOPSIGNAL') as NodeJS.Signals)
  expect(await worker.finished).toMatchObject({ code: 0, signal: null })
})
