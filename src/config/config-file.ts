// Finds and reads drover.config.ts. What the values may be is in settings-schema.ts.
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { suggest } from '../job/index.js'
import { importFile, LOADABLE } from './import-file.js'
import { SETTINGS_TABLE } from './settings-table.js'

export interface ConfigFile {
  /** Absolute path; undefined when there is none. */
  readonly file: string | undefined
  readonly values: Readonly<Record<string, unknown>>
}

const NO_FILE: ConfigFile = { file: undefined, values: {} }

/**
 * The default export of `given`, or of `drover.config.{ts,mts,js,mjs}` in `cwd`; no values when there is no such file.
 * What is wrong is added to `problems`: a given file that is missing, two files, one that does not load or does not
 * export an object, a setting that does not exist.
 */
export async function readConfigFile(cwd: string, given: string | undefined, problems: string[]): Promise<ConfigFile> {
  const file = given === undefined ? findConfigFile(cwd, problems) : resolve(cwd, given)
  if (file === undefined) return NO_FILE
  if (!existsSync(file)) {
    problems.push(`the configuration file ${file} does not exist`)
    return NO_FILE
  }
  const values = await readDefaultExport(file, problems)
  const known = SETTINGS_TABLE.map(({ name }) => name)
  for (const name of Object.keys(values)) {
    if (known.some((setting) => setting === name)) continue
    problems.push(unknownName('setting', name, known, ` in ${basename(file)}`))
  }
  return { file, values }
}

/** `unknown <what> <name><place>`, with the nearest known name when there is one. */
export function unknownName(what: string, name: string, known: readonly string[], place = ''): string {
  const nearest = suggest(name, known)
  return `unknown ${what} ${JSON.stringify(name)}${place}${nearest === undefined ? '' : `: did you mean ${nearest}?`}`
}

function findConfigFile(cwd: string, problems: string[]): string | undefined {
  const files = LOADABLE.map((ending) => join(cwd, `drover.config.${ending}`)).filter((file) => existsSync(file))
  if (files.length > 1) {
    problems.push(`there are several configuration files, keep one: ${files.map((file) => basename(file)).join(', ')}`)
  }
  return files[0]
}

async function readDefaultExport(file: string, problems: string[]): Promise<ConfigFile['values']> {
  let exported: unknown
  try {
    exported = (await importFile(file)).default
  } catch (error) {
    problems.push(`${basename(file)} does not load: ${error instanceof Error ? error.message : String(error)}`)
    return {}
  }
  if (typeof exported === 'object' && exported !== null && !Array.isArray(exported)) return { ...exported }
  problems.push(`${basename(file)} must export its settings: export default defineConfig({ … })`)
  return {}
}
