// The settings as options of the command line: made from the one table of settings, read back through loadSettings.
import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { loadSettings, SETTINGS_TABLE, type SettingName, type SettingRow, type Settings } from '../config/index.js'
import { DroverError, UsageError } from '../job/index.js'
import { parseRedisUrl } from '../redis/index.js'

const TOKEN_FILE = '--token-file <file>'

/** What every verb that talks to Redis takes. */
export const REDIS_OPTIONS = ['redis', 'prefix', 'timeout'] as const satisfies readonly SettingName[]

/** Adds the settings of these names as options, and --config. */
export function addSettings(command: Command, names: readonly SettingName[]): void {
  for (const row of SETTINGS_TABLE.filter(({ name }) => names.includes(name))) {
    // A token in the argument list would be seen in `ps` by everyone on the machine.
    if (row.name === 'token') {
      command.addOption(new Option(TOKEN_FILE, `file that holds ${row.meaning} [${row.env.join(', ')}]`))
      command.addOption(new Option('--token [text]').hideHelp())
    } else command.addOption(new Option(row.flag, describe(row)))
  }
  command.option('--config <file>', 'configuration file (default: drover.config.ts, .mts, .js or .mjs, here)')
}

function describe({ meaning, env, default: fallback }: SettingRow): string {
  return `${meaning} [${env.join(', ')}] (default: ${fallback})`
}

/**
 * The settings from the options of a call, the environment and the configuration file.
 * @throws UsageError for a secret among the options; ConfigError listing everything else that is wrong
 */
export async function readSettings(options: Readonly<Record<string, unknown>>): Promise<Settings> {
  const { redis, token, tokenFile, config } = options
  if (token !== undefined) {
    throw new UsageError('--token would show in `ps`: put the token into DROVER_TOKEN, or into a file for --token-file')
  }
  if (typeof redis === 'string' && hasPassword(redis)) {
    throw new UsageError('a password in --redis would show in `ps`: put the whole URL into REDIS_URL instead')
  }
  return loadSettings({
    flags: { ...options, token: typeof tokenFile === 'string' ? readToken(tokenFile) : undefined },
    ...(typeof config === 'string' ? { configFile: config } : {}),
  })
}

/** The globs of job files, given as arguments or with --jobs; undefined when neither was. @throws UsageError for both */
export function readGlobs(args: readonly string[], jobs: unknown): unknown {
  if (args.length === 0) return jobs
  if (jobs !== undefined) throw new UsageError('job files are given as arguments or with --jobs, not both')
  return args
}

function hasPassword(url: string): boolean {
  try {
    const settings = parseRedisUrl(url)
    const { password, sentinelPassword } = { sentinelPassword: undefined, ...settings }
    return password !== undefined || sentinelPassword !== undefined
  } catch (error) {
    if (!(error instanceof DroverError)) throw error
    // loadSettings reports it, together with all else.
    return false
  }
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(`--token-file names a file that cannot be read: ${file} (${code})`, { cause: error })
  }
}
