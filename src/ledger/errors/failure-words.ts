// What a failed attempt leaves with its job, and a failed job with the group of its error: the words for commit.lua and the
// line for count-retried.lua. Built only when an attempt fails.
import { hostname } from 'node:os'
import type { StoredError } from '../../job/index.js'
import type { Outcome } from '../commit.js'
import { fingerprintOf } from './fingerprint.js'
import { oneLine } from './mask-message.js'

/** Longest message of one attempt; the result record has more of the last one's. */
const MAX_MESSAGE = 300
const WORKER = `${hostname().slice(0, 64)}-${process.pid}`

/** One attempt of a job that failed, as it is kept with the job. */
export interface FailedAttempt {
  /** From 1. */
  readonly attempt: number
  /** Milliseconds since 1970, by the worker's clock. */
  readonly startedAt: number
  readonly endedAt: number
  readonly name: string
  /** One line, at most 300 characters. */
  readonly message: string
  readonly code?: string
  /** Host and process id. */
  readonly worker: string
  /** Of the worker, where it was told one. */
  readonly release?: string
}

export interface FailingJob {
  readonly name: string
  readonly attemptsMade: number
  readonly processedOn: number
}

/** The line of one failed attempt. */
export function attemptLine(job: FailingJob, error: StoredError, endedAt: number, release = ''): string {
  const { name, message, code } = error
  const line: FailedAttempt = {
    attempt: job.attemptsMade + 1,
    startedAt: job.processedOn,
    endedAt,
    name: oneLine(name, MAX_MESSAGE),
    message: oneLine(message, MAX_MESSAGE),
    ...(code === undefined ? {} : { code }),
    worker: WORKER,
    ...(release === '' ? {} : { release }),
  }
  return JSON.stringify(line)
}

/** Adds the write of a job that failed for good to its words for commit.lua; nothing for one that completed. */
export function pushErrorWrite(
  words: unknown[],
  job: FailingJob,
  outcome: Outcome,
  finishedAt: number,
  release = '',
): void {
  if (outcome.status !== 'failed') return
  const write = errorWrite(job, outcome.error, finishedAt, release)
  words.push(write.length, ...write)
}

function errorWrite(job: FailingJob, error: StoredError, finishedAt: number, release: string): string[] {
  // A person cancelled it: there is no error to find, and the attempt did not fail.
  if (error.code === 'CANCELLED') return ['ERROR', '', '', '', '', '', '', '']
  const { id, name, message, frame } = fingerprintOf(job.name, error)
  return ['ERROR', id, job.name, name, message, frame, release, attemptLine(job, error, finishedAt, release)]
}
