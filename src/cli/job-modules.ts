// What job files export: the handlers a worker runs, and the contracts that jobs are enqueued by.
import { type LoadedModule, loadModules } from '../config/index.js'
import { type AnyJobContract, ConfigError, isJobContract, suggest, UnknownJobError, UsageError } from '../job/index.js'
import { type InputOpener, isSchedule, type Schedule, type StoringMiddleware } from '../ledger/index.js'
import { type Handler, isHandler, isJobMiddleware, locateHandler, type RunMiddleware } from '../worker/index.js'

interface Found<Kind> {
  readonly value: Kind
  readonly file: string
}

/**
 * Every export, named or default, that `handle` returned.
 * @throws UsageError when there is none, or two for one job; ConfigError, JobFileError when the files cannot be loaded
 */
export async function loadHandlers(globs: readonly string[], cwd: string): Promise<Handler[]> {
  const modules = await loadModules(globs, cwd)
  const found = findExports(modules, (value) => (isHandler(value) ? value : undefined))
  if (found.length === 0) throw noneFound(modules, 'handler', 'export what handle(contract, …) returns')
  const seen = new Map<string, Found<Handler>>()
  for (const { value, file } of found) {
    const { name, queue } = value.contract
    const other = seen.get(`${queue} ${name}`)
    if (other !== undefined) {
      const files = file === other.file ? `both in ${file}` : `in ${other.file} and in ${file}`
      throw new UsageError(`two handlers for job ${name} of queue ${queue}, ${files}: keep one of them`)
    }
    seen.set(`${queue} ${name}`, { value, file })
  }
  return found.map(({ value, file }) => locateHandler(value, file))
}

/**
 * The contract of this name among the exports of the job files: contracts, and those of handlers.
 * @throws UnknownJobError, UsageError when there is no contract at all, or contracts of two queues
 */
export async function loadContract(job: string, globs: readonly string[], cwd: string): Promise<AnyJobContract> {
  const modules = await loadModules(globs, cwd)
  const found = findExports(modules, contractOf)
  if (found.length === 0) throw noneFound(modules, 'job', 'export what defineJob({ … }) returns')
  const matches = found.filter(({ value }) => value.name === job)
  const [first] = matches
  if (first === undefined) {
    throw new UnknownJobError(
      job,
      suggest(
        job,
        found.map(({ value }) => value.name),
      ),
    )
  }
  const other = matches.find(({ value }) => value.queue !== first.value.queue)
  if (other === undefined) return first.value
  const places = [first, other].map(({ value, file }) => `queue ${value.queue} (${file})`).join(' and ')
  throw new UsageError(`job ${job} is defined for ${places}: name the file to take it from with --jobs`)
}

/**
 * Every contract among the exports of the job files; none where no file matches.
 * @throws JobFileError when a file cannot be loaded
 */
export async function loadContracts(globs: readonly string[], cwd: string): Promise<AnyJobContract[]> {
  let modules: LoadedModule[]
  try {
    modules = await loadModules(globs, cwd)
  } catch (error) {
    if (error instanceof ConfigError) return []
    throw error
  }
  return findExports(modules, contractOf).map(({ value }) => value)
}

/** Every schedule among the exports of the job files. @throws ConfigError, JobFileError when the files cannot be loaded */
export async function loadSchedules(globs: readonly string[], cwd: string): Promise<Schedule[]> {
  const modules = await loadModules(globs, cwd)
  return findExports(modules, (value) => (isSchedule(value) ? value : undefined)).map(({ value }) => value)
}

/** Every middleware among the exports of the job files, in their order; none where no file matches. */
export async function loadMiddleware(globs: readonly string[], cwd: string): Promise<LoadedMiddleware> {
  let modules: LoadedModule[]
  try {
    modules = await loadModules(globs, cwd)
  } catch (error) {
    if (error instanceof ConfigError) return { enqueue: [], run: [], open: undefined }
    throw error
  }
  const all = findExports(modules, (value) => (isJobMiddleware(value) ? value : undefined)).map(({ value }) => value)
  const openers = all.flatMap(({ openInput }) => openInput ?? [])
  // The first is the outermost, so that what it stored is opened first.
  const open: InputOpener = async (contract, stored) => {
    let input = stored
    for (const opener of openers) input = await opener(contract, input)
    return input
  }
  return {
    enqueue: all.flatMap(({ enqueue }) => enqueue ?? []),
    run: all.flatMap(({ run }) => run ?? []),
    open: openers.length === 0 ? undefined : open,
  }
}

export interface LoadedMiddleware {
  readonly enqueue: readonly StoringMiddleware[]
  readonly run: readonly RunMiddleware[]
  readonly open: InputOpener | undefined
}

function contractOf(value: unknown): AnyJobContract | undefined {
  if (isHandler(value)) return value.contract
  return isJobContract(value) ? value : undefined
}

/** Each value once, however often it is exported. */
function findExports<Kind>(
  modules: readonly LoadedModule[],
  read: (value: unknown) => Kind | undefined,
): Found<Kind>[] {
  const found = new Map<Kind, Found<Kind>>()
  for (const { file, exports } of modules) {
    for (const exported of Object.values(exports)) {
      const value = read(exported)
      if (value !== undefined) found.set(value, { value, file })
    }
  }
  return [...found.values()]
}

function noneFound(modules: readonly LoadedModule[], what: string, advice: string): UsageError {
  const files = modules.map(({ file, exports }) => `\n- ${file} exports ${describeExports(exports)}`)
  return new UsageError(`no ${what} is exported by the job files, ${advice}:${files.join('')}`)
}

function describeExports(exports: LoadedModule['exports']): string {
  const names = Object.entries(exports).map(([name, value]) => {
    return isJobContract(value) ? `${name} (a contract without its handler)` : name
  })
  return names.length === 0 ? 'nothing' : names.join(', ')
}
