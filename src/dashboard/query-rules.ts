// What the query of each page may say. A value that is none of a page's is answered 400 with what is: it is never taken for
// another, which would show a page that was not asked for. An empty value counts as not given, as forms send it.
import type { RequestHandler } from 'express'
import { isJobName, isQueueName, JOB_NAME_RULE, QUEUE_NAME_RULE } from '../job/index.js'
import { isAuditId, isErrorPlace } from '../ledger/index.js'
import { RANGES } from './overview/history-steps.js'
import { answerProblem } from './problems.js'
import { showText } from './show.js'

export interface QueryRule {
  /** In words. */
  readonly expected: string
  readonly holds: (value: string) => boolean
}

export type QueryRules = Readonly<Record<string, QueryRule>>

const MAX_SHOWN = 80
const TAG = /^[^\p{Cc}]{1,128}$/u

/** One of these words. */
export function oneOf(words: readonly string[]): QueryRule {
  return { expected: `one of ${words.join(', ')}`, holds: (value) => words.includes(value) }
}

/** A text of this shape, which only links of ours make. */
export function place(holds: (value: string) => boolean): QueryRule {
  return { expected: 'what a link of this page had', holds }
}

export const QUEUE_RULE: QueryRule = { expected: `a queue name: ${QUEUE_NAME_RULE}`, holds: isQueueName }
export const JOB_RULE: QueryRule = { expected: `a job name: ${JOB_NAME_RULE}`, holds: isJobName }
export const TAG_RULE: QueryRule = { expected: 'a tag of 1 to 128 characters', holds: (value) => TAG.test(value) }
export const RANGE_RULE = oneOf(Object.keys(RANGES))
export const AUDIT_RULES: QueryRules = { before: place(isAuditId) }
export const ERROR_RULES: QueryRules = { queue: QUEUE_RULE, job: JOB_RULE, after: place(isErrorPlace) }

/** Lets through what the rules allow; names without a rule are anybody's. */
export function refuseBadQuery(rules: QueryRules): RequestHandler {
  return (request, response, next) => {
    const given = new URLSearchParams(request.originalUrl.split('?', 2)[1] ?? '')
    for (const [name, { expected, holds }] of Object.entries(rules)) {
      const bad = given.getAll(name).find((value) => value.trim() !== '' && !holds(value.trim()))
      if (bad === undefined) continue
      const message = `${name}: expected ${expected}; got "${showText(bad, MAX_SHOWN)}".`
      return answerProblem(request, response, { status: 400, code: 'BAD_QUERY', message })
    }
    next()
  }
}
