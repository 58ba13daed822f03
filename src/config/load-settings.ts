// Gathers the settings: flag, then environment, then drover.config.ts, then default, and every problem at once.
import { basename, resolve } from 'node:path'
import type { z } from 'zod'
import { ConfigError, describeValue } from '../job/index.js'
import { readSecret, redisSettingsFromEnv } from '../redis/index.js'
import { type ConfigFile, readConfigFile, unknownName } from './config-file.js'
import type { SettingName, Settings } from './settings.js'
import { SETTING_DEFAULTS, SETTING_SCHEMAS } from './settings-schema.js'
import { SETTINGS_TABLE, type SettingRow } from './settings-table.js'

const EMPTY_TOKEN = '8 to 512 visible characters; unset it to serve this machine only, without a sign-in'

type Environment = Readonly<Record<string, string | undefined>>

export interface LoadSettingsOptions {
  /** Values of the command line by setting name; undefined ones and other names are left alone. */
  readonly flags?: Readonly<Record<string, unknown>>
  /** Default `process.env`. An empty variable counts as not set, but for an empty token, which is refused. */
  readonly env?: Environment
  /** Directory of drover.config.ts, and what relative paths start from. Default `process.cwd()`. */
  readonly cwd?: string
  /** A configuration file in another place; it must exist. */
  readonly configFile?: string
}

// A value and where it comes from, as a problem names it.
interface Given {
  readonly value: unknown
  readonly source: string
}

type Output<Name extends SettingName> = z.output<(typeof SETTING_SCHEMAS)[Name]>

// What the checks gave; only settings without a default may be missing once there is no problem.
type Checked = { readonly [Name in Exclude<SettingName, WithoutDefault>]: Output<Name> } & {
  readonly [Name in WithoutDefault]: Output<Name> | undefined
}
type WithoutDefault = Exclude<SettingName, keyof typeof SETTING_DEFAULTS>

/**
 * The settings to run with. Redis is not touched.
 * @throws ConfigError listing every wrong value, every unknown name and a configuration file that does not load
 */
export async function loadSettings(options: LoadSettingsOptions = {}): Promise<Settings> {
  const { flags = {}, env = process.env, cwd = process.cwd() } = options
  const problems: string[] = []
  noteUnknownVariables(env, problems)
  const configFile = await readConfigFile(cwd, options.configFile, problems)
  const entries = SETTINGS_TABLE.map((row) => {
    const given = findValue(row, { flags, env, configFile }, problems)
    return [row.name, given === undefined ? undefined : check(row, given, problems)]
  })
  if (problems.length > 0) throw new ConfigError(problems)
  return toSettings(Object.fromEntries(entries) as Checked, cwd)
}

function toSettings(checked: Checked, cwd: string): Settings {
  const { shutdownTimeout, timeout, maxMemory, dataDir, queues = {}, ...others } = checked
  const { waitTarget, minWorkers, maxWorkers, scaleDown, ...rest } = others
  const { concurrency } = checked
  const queueEntries = Object.entries(queues).map(([name, queue]) => [name, { concurrency, ...queue }])
  return {
    ...rest,
    queues: Object.fromEntries(queueEntries),
    shutdownTimeoutMs: shutdownTimeout,
    maxMemoryBytes: maxMemory,
    autoscale: { waitTarget, minWorkers, maxWorkers, scaleDown },
    timeoutMs: timeout,
    dataDir: resolve(cwd, dataDir),
  }
}

interface Sources {
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Environment
  readonly configFile: ConfigFile
}

function findValue(row: SettingRow, { flags, env, configFile }: Sources, problems: string[]): Given | undefined {
  const { name } = row
  const flag = flags[name]
  if (flag !== undefined) return { value: flag, source: row.flag.split(' ')[0] ?? row.flag }
  const given = findVariable(row, env, problems)
  if (given !== undefined) return given
  const value = configFile.values[name]
  if (value !== undefined) return { value, source: `${basename(configFile.file ?? '')}: ${name}` }
  return name in SETTING_DEFAULTS
    ? { value: SETTING_DEFAULTS[name as keyof typeof SETTING_DEFAULTS], source: `default of ${name}` }
    : undefined
}

function findVariable(row: SettingRow, env: Environment, problems: string[]): Given | undefined {
  if (row.name === 'redis') return findRedisVariables(env, problems)
  for (const variable of row.env) {
    // Most often a variable that should have been set: to go on without a sign-in would open what was to be closed.
    if (row.name === 'token' && env[variable] === '' && !env[`${variable}_FILE`]) {
      problems.push(`${variable} is empty: expected ${EMPTY_TOKEN}`)
      return undefined
    }
    const value = row.secret ? readSecret(env, variable, problems) : env[variable] || undefined
    if (value !== undefined) return { value, source: variable }
  }
  return undefined
}

function findRedisVariables(env: Environment, problems: string[]): Given | undefined {
  try {
    const value = redisSettingsFromEnv(env)
    return value && { value, source: 'REDIS_URL or its parts' }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}

// A wrong value adds its problems and gives undefined.
function check(row: SettingRow, { value, source }: Given, problems: string[]): unknown {
  const outcome = SETTING_SCHEMAS[row.name].safeParse(value)
  if (outcome.success) return outcome.data
  for (const issue of outcome.error.issues) problems.push(describeIssue(row, issue, value, source))
  return undefined
}

function describeIssue(row: SettingRow, issue: z.core.$ZodIssue, value: unknown, source: string): string {
  const isText = typeof value === 'string'
  const place = isText ? source : [source, ...issue.path.map(String)].join('.')
  if (issue.code === 'invalid_key') {
    return `${source}: expected names of ${issue.issues[0]?.message ?? issue.message}, got ${describeValue(issue.path.at(-1))}`
  }
  const expected = `${place}: expected ${issue.message}`
  return row.secret ? expected : `${expected}, got ${describeValue(isText ? value : valueAt(value, issue.path))}`
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined
    found = (found as Record<PropertyKey, unknown>)[key]
  }
  return found
}

function noteUnknownVariables(env: Environment, problems: string[]): void {
  const known = SETTINGS_TABLE.flatMap((row) => {
    return row.secret ? row.env.flatMap((name) => [name, `${name}_FILE`]) : [...row.env]
  })
  for (const name of Object.keys(env)) {
    if (name.startsWith('DROVER_') && !known.includes(name)) {
      problems.push(unknownName('environment variable', name, known))
    }
  }
}
