// Every row of the fault matrix, one file each in rows/.
import { readdirSync } from 'node:fs'
import type { Row } from './row.js'

const FOLDER = new URL('rows/', import.meta.url)

/** All rows, by their names. */
export async function loadRows(): Promise<Row[]> {
  const files = readdirSync(FOLDER).filter((file) => /^f\d+.*\.ts$/.test(file))
  const rows = await Promise.all(
    files.map(async (file) => ((await import(new URL(file, FOLDER).href)) as { default: Row }).default),
  )
  return rows.sort((one, other) => (one.name < other.name ? -1 : 1))
}
