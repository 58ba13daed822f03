// The part of the compose specification that docker-compose.yml uses, as schemas that refuse every other key, and
// compose's way with variables. Source: https://github.com/compose-spec/compose-spec (schema/compose-spec.json).
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'

const duration = z.string().regex(/^(\d+(h|m|s|ms|us))+$/)
const name = z.string().regex(/^[a-zA-Z0-9._-]+$/)

const healthcheck = z.strictObject({
  test: z.tuple([z.enum(['CMD', 'CMD-SHELL'])], z.string()),
  interval: duration,
  timeout: duration,
  retries: z.int().positive(),
  start_period: duration.optional(),
})

const dependency = z.strictObject({
  condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']),
})

const service = z.strictObject({
  build: z.string().optional(),
  image: z.string(),
  command: z.array(z.string()),
  environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string()).optional(),
  depends_on: z.record(name, dependency).optional(),
  healthcheck: healthcheck.optional(),
  profiles: z.array(name).optional(),
  restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
  stop_grace_period: duration.optional(),
  ports: z.array(z.string().regex(/^([\d.]+:)?\d+:\d+$/)).optional(),
  volumes: z.array(z.string().regex(/^[a-z-]+:\/[a-z/]+$/)).optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string().startsWith('/')).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
})

const composeFile = z.looseObject({
  services: z.record(name, service),
  volumes: z.record(name, z.null()),
})

export type ComposeService = z.infer<typeof service>
export type ComposeFile = z.infer<typeof composeFile>

/** Reads a compose file strictly: a key given twice, an unknown one or one of the wrong shape is an error. */
export function readCompose(path: string): ComposeFile {
  const document: unknown = parse(readFileSync(path, 'utf8'), { strict: true, uniqueKeys: true, merge: true })
  const { services, volumes, ...rest } = composeFile.parse(document)
  const unknown = Object.keys(rest).filter((key) => !key.startsWith('x-'))
  if (unknown.length > 0) throw new Error(`keys that are neither of the specification nor x-: ${unknown.join(', ')}`)
  return { services, volumes }
}

/** The value with its `${NAME}`, `${NAME:-default}` and `${NAME:?message}` filled in as compose does. */
export function interpolate(value: string, env: Readonly<Record<string, string>>): string {
  return value.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, variable: string, operator = '', text = '') => {
    const given = env[variable]
    if (given !== undefined && given !== '') return given
    if (operator === '?') throw new Error(`required variable ${variable} is missing a value: ${text}`)
    return text
  })
}

export function durationSeconds(text: string): number {
  const units: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001, us: 0.000_001 }
  const parts = [...text.matchAll(/(\d+)([a-z]+)/g)]
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (units[unit] ?? Number.NaN), 0)
}
