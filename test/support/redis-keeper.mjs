// Runs one redis-server as a child and ends it when standard input ends, that is also when the test process was killed.
// argv: the server's directory, its binary, its arguments. stdin, a line each: "start", "signal SIGTERM".
// stdout, a line each: "started <pid>", "signalled", "exited", "failed <why>".
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [directory = '', binary = '', ...args] = process.argv.slice(2)
let server

function start() {
  const child = spawn(binary, args, { cwd: directory, stdio: 'ignore' })
  server = child
  child.on('spawn', () => process.stdout.write(`started ${child.pid}\n`))
  child.on('error', (error) => {
    // A program that could not be started never exits: there is nothing left to wait for.
    server = undefined
    process.stdout.write(`failed ${error.message}\n`)
  })
  child.on('exit', () => process.stdout.write('exited\n'))
}

function end() {
  const remove = () => {
    rmSync(directory, { recursive: true, force: true })
    process.exit(0)
  }
  if (server?.exitCode !== null || server.signalCode !== null) return remove()
  server.on('exit', remove)
  server.kill('SIGKILL')
}

// The test process may be gone when the server exits.
process.stdout.on('error', end)
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, signal] = line.split(' ')
    if (command === 'start') start()
    if (command === 'signal') {
      server.kill(signal)
      process.stdout.write('signalled\n')
    }
  })
  .on('close', end)
