// Redis settings from environment variables, with every secret also as NAME_FILE. settings.ts knows the URL forms.
import { readFileSync } from 'node:fs'
import { ConfigError, RedisUrlError } from '../job/index.js'
import { DEFAULT_REDIS, parseRedisUrl, type RedisSettings, readDatabase, readPort } from './settings.js'

type Environment = Readonly<Record<string, string | undefined>>

const PARTS = [
  'REDIS_HOST',
  'REDIS_PORT',
  'REDIS_DB',
  'REDIS_USERNAME',
  'REDIS_PASSWORD',
  'REDIS_PASSWORD_FILE',
] as const

/** All environment variables that `redisSettingsFromEnv` reads. */
export const REDIS_ENVIRONMENT: readonly string[] = ['REDIS_URL', 'REDIS_URL_FILE', ...PARTS]

/**
 * Settings from `REDIS_URL`, or from `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB`, `REDIS_USERNAME` and `REDIS_PASSWORD`;
 * undefined when none of them is set. `REDIS_URL_FILE` and `REDIS_PASSWORD_FILE` name a file with the value, whose last
 * line break is dropped. An empty variable counts as not set, as compose files leave them.
 * @throws ConfigError listing every problem: a value that is wrong, a file that cannot be read, the URL given together
 *   with one of the parts.
 */
export function redisSettingsFromEnv(env: Environment): RedisSettings | undefined {
  const problems: string[] = []
  const url = readSecret(env, 'REDIS_URL', problems)
  const parts = PARTS.filter((name) => isSet(env, name))
  let settings: RedisSettings | undefined
  if (url !== undefined && parts.length > 0) {
    problems.push(`REDIS_URL and ${parts.join(', ')} are both set: keep the URL or the parts`)
  } else if (url !== undefined) {
    settings = attempt('REDIS_URL', problems, () => parseRedisUrl(url))
  } else if (parts.length > 0) {
    settings = settingsFromParts(env, problems)
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return settings
}

/**
 * The value of a secret, from the variable itself or from the file that `<name>_FILE` names. What is wrong is added to
 * `problems`, and undefined returned.
 */
export function readSecret(env: Environment, name: string, problems: string[]): string | undefined {
  const value = env[name] || undefined
  const file = env[`${name}_FILE`] || undefined
  if (file === undefined) return value
  if (value !== undefined) {
    problems.push(`${name} and ${name}_FILE are both set: keep one of them`)
    return undefined
  }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    problems.push(`${name}_FILE names a file that cannot be read: ${file} (${code})`)
    return undefined
  }
}

function settingsFromParts(env: Environment, problems: string[]): RedisSettings {
  const port = isSet(env, 'REDIS_PORT')
    ? attempt('REDIS_PORT', problems, () => readPort(env.REDIS_PORT ?? ''))
    : undefined
  const db = attempt('REDIS_DB', problems, () => readDatabase(env.REDIS_DB))
  const username = env.REDIS_USERNAME || undefined
  const password = readSecret(env, 'REDIS_PASSWORD', problems)
  if (username !== undefined && password === undefined) problems.push('REDIS_USERNAME is set without REDIS_PASSWORD')
  return {
    kind: 'single',
    host: env.REDIS_HOST || DEFAULT_REDIS.host,
    port: port ?? DEFAULT_REDIS.port,
    db: db ?? DEFAULT_REDIS.db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }
}

// Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 in every pod beside a service named "redis": not a setting of ours.
function isSet(env: Environment, name: string): boolean {
  const value = env[name]
  return value !== undefined && value !== '' && !(name === 'REDIS_PORT' && /^(tcp|udp):\/\//.test(value))
}

function attempt<T>(name: string, problems: string[], read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof RedisUrlError)) throw error
    problems.push(`${name}: ${error.problem}`)
    return undefined
  }
}
