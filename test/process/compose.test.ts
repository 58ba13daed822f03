import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { SETTINGS_TABLE } from '../../src/config/index.js'
import { parseDuration } from '../../src/job/index.js'
import { durationSeconds, interpolate, readCompose } from './compose-spec.js'
import { copiesOf, execForm, type Instruction, readStages } from './dockerfile.js'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const { services, volumes } = readCompose(`${ROOT}docker-compose.yml`)
const stages = readStages(`${ROOT}Dockerfile`)
const image = stages.at(-1) as Instruction[]
const instruction = (name: string) => image.find((entry) => entry.name === name)?.rest ?? ''

function serviceOf(name: string) {
  const service = services[name]
  if (service === undefined) throw new Error(`no service ${name}`)
  return service
}

describe('docker-compose.yml', () => {
  test('each service waits for others that exist, and for health only where there is a health check', () => {
    for (const [name, { depends_on = {} }] of Object.entries(services)) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        expect(services, `${name} depends on ${other}`).toHaveProperty(other)
        if (condition === 'service_healthy') expect(serviceOf(other).healthcheck, other).toBeDefined()
      }
    }
    for (const name of ['worker', 'serve']) {
      expect(serviceOf(name).depends_on).toEqual({ redis: { condition: 'service_healthy' } })
    }
  })

  test('Redis keeps its data in a volume, writes every change down and evicts nothing', () => {
    const redis = serviceOf('redis')
    expect(redis.command.join(' ')).toBe('redis-server --appendonly yes --maxmemory-policy noeviction')
    expect(redis.volumes).toEqual(['redis-data:/data'])
    expect(volumes).toHaveProperty('redis-data')
    expect(redis.ports).toBeUndefined()
  })

  test('a worker can be scaled, and may take longer to stop than it gives its jobs', () => {
    const worker = serviceOf('worker')
    expect(worker.ports).toBeUndefined()
    expect(worker.volumes).toBeUndefined()
    const shutdownTimeout = SETTINGS_TABLE.find(({ name }) => name === 'shutdownTimeout')?.default
    const timeoutMs = parseDuration(shutdownTimeout, 'shutdownTimeout')
    expect(durationSeconds(worker.stop_grace_period ?? '10s') * 1000).toBeGreaterThan(timeoutMs)
  })

  test('the dashboard starts only with a token, and is published on this machine alone', () => {
    const { environment = {}, ports = [] } = serviceOf('serve')
    expect(() => interpolate(environment.DROVER_TOKEN ?? '', {})).toThrow('DROVER_TOKEN is missing a value')
    expect(interpolate(environment.DROVER_TOKEN ?? '', { DROVER_TOKEN: 'correct-horse' })).toBe('correct-horse')
    expect(ports).toEqual([`127.0.0.1:${environment.DROVER_PORT}:${environment.DROVER_PORT}`])
  })

  test('every environment variable is a setting of Drover', () => {
    const known = SETTINGS_TABLE.flatMap(({ env }) => env)
    for (const { environment = {} } of Object.values(services)) {
      for (const variable of Object.keys(environment)) expect(known).toContain(variable)
    }
  })

  test('Drover’s containers can write nothing but /tmp and hold no capability', () => {
    for (const { read_only, tmpfs, cap_drop, security_opt } of [serviceOf('worker'), serviceOf('serve')]) {
      expect({ read_only, tmpfs, cap_drop }).toEqual({ read_only: true, tmpfs: ['/tmp'], cap_drop: ['ALL'] })
      expect(security_opt).toEqual(['no-new-privileges:true'])
    }
  })

  test('no health check needs a program that the image does not have', () => {
    expect(serviceOf('redis').healthcheck?.test[1]).toBe('redis-cli')
    expect(serviceOf('serve').healthcheck?.test[1]).toBe('node')
  })
})

describe('Dockerfile', () => {
  test('every stage is of the same small Node image, the last without what only the build needs', () => {
    expect(new Set(stages.map(([from]) => from?.rest.split(' ')[0]))).toEqual(new Set(['node:24.21.0-bookworm-slim']))
    const packages = stages.find(([from]) => from?.rest.endsWith(' AS packages')) ?? []
    const installs = packages.find(({ name }) => name === 'RUN')?.rest
    expect(installs).toMatch(/^npm ci --omit=dev --ignore-scripts/)
    expect(copiesOf(image).find(({ target }) => target === './node_modules')?.from).toBe('packages')
  })

  test('the image runs as a numbered user that is not root, and stops on SIGTERM without a shell in between', () => {
    expect(Number(instruction('USER').split(':')[0])).toBeGreaterThanOrEqual(10_000)
    expect(instruction('STOPSIGNAL')).toBe('SIGTERM')
    expect(execForm(instruction('ENTRYPOINT'))).toEqual(['node', 'dist/cli/main.js'])
    // Not `doctor`, which looks through all keys: a health check must cost nothing and tell of this container alone.
    expect(instruction('HEALTHCHECK')).toMatch(/CMD \["node", "dist\/cli\/main\.js", "health", /)
    const port = /DROVER_HEALTH_PORT=(\d+)/.exec(instruction('ENV'))?.[1]
    expect(instruction('HEALTHCHECK')).toContain(`"http://127.0.0.1:${port}/readyz"`)
  })

  test('everything that is copied from the checkout exists and is let in by .dockerignore', () => {
    const [everything, ...allowed] = readFileSync(`${ROOT}.dockerignore`, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(everything).toBe('*')
    const sources = stages.flatMap(copiesOf).filter(({ from }) => from === undefined)
    const paths = [...new Set(sources.flatMap((copy) => copy.sources))]
    for (const path of paths) expect(existsSync(`${ROOT}${path}`), path).toBe(true)
    expect(new Set(allowed)).toEqual(new Set(paths.map((path) => `!${path}`)))
  })
})
