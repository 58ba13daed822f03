// Runs python_client.py with the Python that has the redis module, and gives what it saw.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const PYTHON = '/usr/bin/python3'
const SCRIPT = fileURLToPath(new URL('python_client.py', import.meta.url))

export interface PythonRedis {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly password: string | null
}

/** Rejects with what Python printed when an assert of the script fails. */
export async function runPython(
  action: 'use' | 'refuse' | 'read',
  given: { redis: PythonRedis; [name: string]: unknown },
): Promise<unknown> {
  const python = spawn(PYTHON, [SCRIPT, action], { stdio: 'pipe' })
  python.stdin.on('error', () => undefined).end(JSON.stringify(given))
  const [stdout, stderr, [code]] = await Promise.all([text(python.stdout), text(python.stderr), once(python, 'exit')])
  if (code !== 0) throw new Error(`python ended with ${code}:\n${stderr}`)
  return JSON.parse(stdout)
}
