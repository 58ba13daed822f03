// `npm run test:faults`: sets up what is missing, then runs the fault matrix with all arguments.

import { join } from 'node:path'
import { runChild } from './run-child.mjs'
import { ROOT, setup } from './setup.mjs'

setup({ forTests: true })
const loader = import.meta.resolve('tsx')
const entry = join(ROOT, 'test', 'fault', 'main.ts')
process.exitCode = await runChild(process.execPath, ['--import', loader, entry, ...process.argv.slice(2)])
