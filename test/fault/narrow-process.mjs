// A worker of fault runs whose log goes to a standard output that takes not a byte. Says the worker's pid, and ends as it
// does; a kill of this process ends both.
import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const [told] = process.argv.slice(2)
const script = fileURLToPath(new URL('worker-process.mjs', import.meta.url))
const worker = spawn(process.execPath, [script, told], {
  stdio: ['ignore', openSync('/dev/full', 'w'), 'inherit', 'ipc'],
})
worker.on('message', (line) => process.stdout.write(`${JSON.stringify({ ...line, pid: worker.pid })}\n`))
process.on('SIGTERM', () => worker.kill('SIGTERM'))
const [code, signal] = await new Promise((resolve) => worker.once('exit', (...end) => resolve(end)))
if (signal !== null) process.kill(process.pid, signal)
process.exit(code)
