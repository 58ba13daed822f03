// How an error that ended a command is told: one line and its cause, on standard error; the stack only for DEBUG=drover.
import { hideCredentials, isDroverError, JobFileError } from '../job/index.js'
import { exitCodeOf } from './exit-codes.js'

const OWN_FILES = new URL('..', import.meta.url).href
const NOT_USERS = /[( ]node:|\/node_modules\//
/** A stack's line with a file in it: `at f (/app/jobs/a.ts:3:7)`, `at file:///app/jobs/a.mjs:3:7`. */
const FRAME = /^ {4}at (?:.*\()?(?:async )?(?:file:\/\/)?(\/.*:\d+:\d+)\)?$/

/** Writes the error to standard error and gives the exit code. */
export function reportError(error: unknown, { json }: { readonly json: boolean }): number {
  const exitCode = exitCodeOf(error)
  const message = hideCredentials(messageOf(error))
  const cause = causeOf(error, message)
  if (json) {
    const code = isDroverError(error) ? error.code : 'INTERNAL'
    process.stderr.write(`${JSON.stringify({ error: { code, message, ...(cause && { cause }), exitCode } })}\n`)
  } else {
    process.stderr.write(`drover: ${message}\n${cause === undefined ? '' : `cause: ${cause}\n`}`)
  }
  if (isDebugging() && error instanceof Error) process.stderr.write(`${hideCredentials(describeStack(error))}\n`)
  return exitCode
}

function messageOf(error: unknown): string {
  if (isDroverError(error)) return error.message
  const text = error instanceof Error ? error.message : String(error)
  return `unexpected error: ${text.trim() || 'without a message'} (DEBUG=drover shows where)`
}

/** The first line of the cause, where the message does not have it already; of a job file the place in it. */
function causeOf(error: unknown, message: string): string | undefined {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) return undefined
  if (error instanceof JobFileError) return describePlace(error, error.cause)
  const [line = ''] = hideCredentials(error.cause.message).trim().split('\n')
  return line === '' || message.includes(line) || isUsage(error) ? undefined : line
}

/** Where in the user's files the import threw; Node names no place for the syntax of JavaScript. */
function describePlace({ file }: JobFileError, cause: Error): string | undefined {
  const frames = (cause.stack ?? '').split('\n').filter((line) => !NOT_USERS.test(line) && !line.includes(OWN_FILES))
  for (const frame of frames) {
    const place = FRAME.exec(frame)?.[1]
    if (place !== undefined) return `at ${place}`
  }
  return cause instanceof SyntaxError ? `its syntax: node --check ${file} shows the place` : undefined
}

// The cause of a usage error is the option parser's own error, whose words are in the message.
function isUsage(error: Error): boolean {
  return isDroverError(error) && error.code === 'USAGE'
}

function isDebugging(): boolean {
  return (process.env.DEBUG ?? '').split(/[\s,]+/).some((name) => name === 'drover' || name === 'drover:*')
}

function describeStack(error: Error): string {
  const stack = error.stack ?? error.message
  return error.cause instanceof Error ? `${stack}\ncaused by ${describeStack(error.cause)}` : stack
}
