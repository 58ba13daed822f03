// `npm start`: sets up what is missing, then runs the main example with all arguments. `--bench` runs the bench instead.

import { join } from 'node:path'
import { runChild } from './run-child.mjs'
import { ROOT, setup } from './setup.mjs'

const args = process.argv.slice(2)
const isBench = args[0] === '--bench'
const entry = join(ROOT, isBench ? 'bench/main.ts' : 'examples/text-index/main.ts')

setup({ forTests: false })
const loader = import.meta.resolve('tsx')
process.exitCode = await runChild(process.execPath, ['--import', loader, entry, ...(isBench ? args.slice(1) : args)])
