// Runs src/config in a Node process of its own: there `import()` is Node's, and not the test runner's.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const SOURCE = new URL('../../../src/config/index.ts', import.meta.url).href
const TSX = import.meta.resolve('tsx')

/** Path of src/config for the imports of a job file. */
export const CONFIG_DOOR = new URL(SOURCE).pathname

/** A new temporary directory with these files. */
export function directoryWith(files: Readonly<Record<string, string>>): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'drover-config-')))
  for (const [name, text] of Object.entries(files)) {
    const file = join(directory, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return directory
}

/** Evaluates the body of an async function that has `config`, the door of src/config, and gives what it returns. */
export async function runNative(body: string): Promise<unknown> {
  const script = `
    const config = await import(${JSON.stringify(SOURCE)})
    const run = async () => { ${body} }
    const outcome = await run().catch((error) => ({ error: error.name, message: error.message, problems: error.problems }))
    console.log('outcome ' + JSON.stringify(outcome))`
  const args = ['--import', TSX, '--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  const line = stdout.split('\n').find((text) => text.startsWith('outcome '))
  return JSON.parse(line?.slice('outcome '.length) ?? 'null')
}
