// Notices changes of the source files below some folders. Folder by folder, because a recursive fs.watch on Linux also
// opens every folder of node_modules.
import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

const SOURCE = /\.[cm]?[jt]sx?$/
const IGNORED = new Set(['node_modules', 'dist'])
const GLOB_CHARACTERS = /[*?[\]{}()!]/
/** An editor writes a file in several steps, and saves several files at once. */
const SETTLE_MS = 100

export interface SourceWatch {
  close(): void
}

export interface WatchOptions {
  readonly folders: readonly string[]
  /** Called once after a burst of changes, with one of the files. */
  readonly onChange: (file: string) => void
  /** A folder cannot be watched; the others are. */
  readonly onError: (error: Error) => void
}

/** The folders that files of these globs can be in: the part of each glob before its first special character. */
export function foldersOf(globs: readonly string[], cwd: string): string[] {
  const folders = globs
    .filter((glob) => !glob.startsWith('!'))
    .map((glob) => {
      const parts = glob.split('/')
      const special = parts.findIndex((part) => GLOB_CHARACTERS.test(part))
      const fixed = special === -1 ? dirname(glob) : parts.slice(0, special).join('/')
      return resolve(cwd, glob.startsWith('/') && fixed === '' ? '/' : fixed)
    })
  return [...new Set(folders)]
}

/** Watches until `close`; folders that are made later are watched too. Hidden folders, node_modules and dist are not. */
export function watchSources({ folders, onChange, onError }: WatchOptions): SourceWatch {
  const watchers = new Map<string, FSWatcher>()
  let timer: NodeJS.Timeout | undefined

  const note = (file: string) => {
    clearTimeout(timer)
    timer = setTimeout(() => onChange(file), SETTLE_MS)
  }
  const leave = (folder: string) => {
    watchers.get(folder)?.close()
    watchers.delete(folder)
  }
  const enter = (folder: string, isNew: boolean) => {
    if (watchers.has(folder)) return
    try {
      const watcher = watch(folder, (_event, name) => look(folder, name))
      watchers.set(folder, watcher)
      watcher.on('error', () => leave(folder))
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name)
        if (entry.isDirectory() && !isIgnored(path)) enter(path, isNew)
        // Written before the folder was watched.
        else if (isNew && SOURCE.test(entry.name)) note(path)
      }
    } catch (error) {
      leave(folder)
      // A folder that is gone again needs no watching.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error as Error)
    }
  }
  const look = (folder: string, name: string | null) => {
    const path = name === null ? folder : join(folder, name)
    if (isIgnored(path)) return
    if (SOURCE.test(path)) note(path)
    else if (isFolder(path)) enter(path, true)
    else leave(path)
  }
  for (const folder of folders) enter(folder, false)
  return {
    close: () => {
      clearTimeout(timer)
      for (const folder of [...watchers.keys()]) leave(folder)
    },
  }
}

function isIgnored(path: string): boolean {
  const name = basename(path)
  return IGNORED.has(name) || name.startsWith('.')
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
