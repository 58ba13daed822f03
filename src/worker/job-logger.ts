// A handler's log: lines of the worker's own JSON log, and copies in the job's log that the dashboard shows.
import type { Logger } from 'pino'
import { serializeError } from '../job/index.js'
import type { JobLog, JobLogger } from './context.js'

/** Most characters of one line in a job's own log. */
const MAX_LINE = 8_192

type Room = { readonly logger: Logger; readonly addLog: (id: string, line: string) => Promise<unknown> }

export function createJobLogger(about: { readonly id: string }, room: Room): JobLogger {
  const logger = room.logger.child(about)
  const line = (level: 'debug' | 'info' | 'warn' | 'error', keep: boolean): JobLog => {
    return (first: object | string, text?: string) => {
      if (typeof first === 'string') logger[level](first)
      else logger[level](first, text)
      if (!keep) return
      room
        .addLog(about.id, cut(`${new Date().toISOString()} ${level} ${describeLine(first, text)}`))
        .catch((error: unknown) => {
          // The job may be gone already (a late line of an ended attempt), or Redis away: the worker's own log has the line.
          logger.debug({ err: serializeError(error) }, 'a line was not kept in the job log')
        })
    }
  }
  return { debug: line('debug', false), info: line('info', true), warn: line('warn', true), error: line('error', true) }
}

function cut(line: string): string {
  return line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line
}

function describeLine(first: object | string, text: string | undefined): string {
  if (typeof first === 'string') return first
  try {
    const fields = JSON.stringify(first)
    return text === undefined ? fields : `${text} ${fields}`
  } catch (error) {
    return `${text ?? ''} (fields that are not JSON: ${error instanceof Error ? error.name : 'unknown'})`
  }
}
