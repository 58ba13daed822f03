// A process of its own between the embedded Redis server and its owner. It starts the server and ends it when standard
// input closes, which the system does for an owner that closes the server and for one that was killed alike.
// Arguments: server program, its configuration file, milliseconds from SIGTERM to SIGKILL.
// Standard output, one JSON line each: {"pid"} once the server runs, {"code","signal"} when it has ended.

import { spawn } from 'node:child_process'

const [program, configFile, killAfterMs] = process.argv.slice(2)
const server = spawn(program, [configFile], { stdio: ['ignore', 'ignore', 'inherit'] })

// Nobody reads any more when the owner was killed; the server must be ended all the same.
process.stdout.on('error', () => undefined)
process.stderr.on('error', () => undefined)

server.once('spawn', () => process.stdout.write(`${JSON.stringify({ pid: server.pid })}\n`))
server.once('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
server.once('exit', (code, signal) => {
  process.stdout.write(`${JSON.stringify({ code, signal })}\n`, () => process.exit(0))
})

let isEnding = false
function endServer() {
  if (isEnding) return
  isEnding = true
  server.kill('SIGTERM')
  setTimeout(() => server.kill('SIGKILL'), Number(killAfterMs))
}

process.stdin.once('close', endServer).resume()
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, endServer)
