// The logger of the verbs that stay: JSON lines on standard output, or pino-pretty's lines where that is installed.
import { createRequire } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Logger, pino } from 'pino'
import type { Settings } from '../config/index.js'
import type { Output } from './output.js'

/** `fields` are in each line, beside the process id and the host. */
export async function createLogger(
  { logLevel, logFormat }: Settings,
  out: Output,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<Logger> {
  const options = { level: logLevel, base: { pid: process.pid, hostname: hostname(), ...fields } }
  if (logFormat === 'json' || out.json) return pino(options, standardOutput())
  const pretty = await loadPretty()
  if (pretty !== undefined) return pino(options, pretty({ sync: true, ignore: 'pid,hostname' }))
  out.note('pino-pretty is not installed, so the log stays JSON: npm install --save-dev pino-pretty')
  return pino(options, standardOutput())
}

/**
 * Standard output for log lines. When its reader is gone (a log collector that died) the verb goes on without a log;
 * pino's own stream would try to flush what is left for ever at exit, and no signal could end the process.
 */
export function standardOutput(): ReturnType<typeof pino.destination> {
  const stream = pino.destination({ dest: 1, sync: true })
  stream.on('error', () => stream.destroy())
  const write = stream.write.bind(stream)
  let isBroken = false
  stream.on('close', () => {
    isBroken = true
  })
  stream.write = (line) => isBroken || write(line)
  return stream
}

type Pretty = (options: { sync: boolean; ignore: string }) => NodeJS.WritableStream

/** From the project of the working directory; undefined when it has none. */
async function loadPretty(): Promise<Pretty | undefined> {
  let file: string
  try {
    file = createRequire(join(process.cwd(), 'package.json')).resolve('pino-pretty')
  } catch {
    // Not installed there.
    return undefined
  }
  const { default: pretty } = (await import(pathToFileURL(file).href)) as { default: Pretty }
  return pretty
}
