// Finds the files with handlers by glob and imports them. What their exports must be is for the worker to say.
import { glob } from 'tinyglobby'
import { ConfigError, JobFileError } from '../job/index.js'
import { importFile, LOADABLE } from './import-file.js'

export interface LoadedModule {
  /** Absolute path. */
  readonly file: string
  readonly exports: Readonly<Record<string, unknown>>
}

const NOT_JOB_FILES = ['**/node_modules/**', '**/*.d.ts', '**/*.d.mts', '**/*.{test,spec}.*']

/**
 * Imports every .ts, .mts, .js and .mjs file that one of the globs matches, in alphabetical order of their paths.
 * Declarations, tests (`*.test.*`, `*.spec.*`) and `node_modules` are left out.
 * @throws ConfigError when no file matches
 * @throws JobFileError for the first file that does not load; those before it have run
 */
export async function loadModules(globs: readonly string[], cwd: string): Promise<LoadedModule[]> {
  const modules: LoadedModule[] = []
  for (const file of await findJobFiles(globs, cwd)) modules.push({ file, exports: await importJobFile(file) })
  return modules
}

/** Absolute paths of the files that `loadModules` imports. @throws ConfigError when no file matches */
export async function findJobFiles(globs: readonly string[], cwd: string): Promise<string[]> {
  const matches = await glob([...globs], { cwd, absolute: true, ignore: NOT_JOB_FILES, expandDirectories: false })
  const files = matches.filter((file) => LOADABLE.some((ending) => file.endsWith(`.${ending}`))).sort()
  if (files.length === 0) {
    const endings = LOADABLE.map((ending) => `.${ending}`).join(', ')
    throw new ConfigError([
      `no job file (${endings}) matches ${globs.join(', ')} in ${cwd}: name yours with --jobs, DROVER_JOBS or "jobs" in drover.config.ts`,
    ])
  }
  return files
}

async function importJobFile(file: string): Promise<LoadedModule['exports']> {
  try {
    return await importFile(file)
  } catch (error) {
    throw new JobFileError(file, error)
  }
}
