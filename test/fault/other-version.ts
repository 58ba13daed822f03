// A copy of Drover that says it is another version and writes one field more into each result record, as a later version
// may: a stand-in for two versions side by side, in checkouts that have no older one at hand.
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** What a record of the copy has that ours has not. */
export const LATER_FIELD = { name: 'later', value: 'kept' } as const

/** Makes the copy in this folder, for the option `home` of a process. Needs the built dist/. */
export function copyAsOtherVersion(folder: string): void {
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
  const scripts = readdirSync(join(ROOT, 'test', 'fault')).filter((file) => file.endsWith('.mjs'))
  for (const file of scripts) cpSync(join(ROOT, 'test', 'fault', file), join(folder, 'test', 'fault', file))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  replaceIn(join(ROOT, 'package.json'), join(folder, 'package.json'), /"version": "[^"]+"/, '"version": "99.0.0"')
  const commit = join(folder, 'dist', 'ledger', 'commit.js')
  replaceIn(commit, commit, /"status":"\$\{/, `"${LATER_FIELD.name}":"${LATER_FIELD.value}",$&`)
}

function replaceIn(from: string, to: string, pattern: RegExp, text: string): void {
  const before = readFileSync(from, 'utf8')
  if (!pattern.test(before)) throw new Error(`${from} has no ${pattern}`)
  writeFileSync(to, before.replace(pattern, text))
}
