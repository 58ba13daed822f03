// Imports one file of the user's, JavaScript or TypeScript, as native ESM: its own imports, `drover` among them, resolve
// to the modules this process already runs.
import { pathToFileURL } from 'node:url'

/** Endings of files that `importFile` can load. */
export const LOADABLE = ['ts', 'mts', 'js', 'mjs'] as const

/** The file's exports. Rejects with what the import rejects with. */
export async function importFile(file: string): Promise<Readonly<Record<string, unknown>>> {
  if (/\.m?ts$/.test(file)) {
    // Loading tsx takes longer than starting a worker without it.
    const { enableTypescript } = await import('./typescript-files.js')
    await enableTypescript()
  }
  return await import(pathToFileURL(file).href)
}
