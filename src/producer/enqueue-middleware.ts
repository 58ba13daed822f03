// Middleware around an enqueue: what it sees of one, and what it may change of it.
import { type AnyJobContract, decodeJson, type Middleware, MiddlewareError, runThrough } from '../job/index.js'
import type { JobHandle } from './job-handle.js'
import type { RuleOptions } from './job-rules.js'

/** One input on its way to Redis: it has passed its schema. */
export interface EnqueueCall {
  readonly contract: AnyJobContract
  /** Id that the job gets, unless it turns out to be there already. */
  readonly id: string
  /** As the caller gave it. */
  readonly input: unknown
  readonly options: Readonly<RuleOptions>
  /** The JSON that will be stored; another text may be set before `next()`. Keys and rules go by the input as it was given. */
  inputText: string
}

/**
 * A function around each enqueue, also around each input of a bulk and of a batch. `next()` sends the job and answers its
 * handle; in a bulk it answers when the job is ready to be sent with its chunk. What is thrown refuses the input.
 */
export type EnqueueMiddleware = Middleware<EnqueueCall, JobHandle>

/** @throws MiddlewareError, NotJsonError for a text that is not JSON, and what middleware and `send` throw */
export async function enqueueThrough(
  middleware: readonly EnqueueMiddleware[],
  call: EnqueueCall,
  send: (inputText: string) => Promise<JobHandle>,
): Promise<JobHandle> {
  const given = call.inputText
  const handle = await runThrough('enqueue', middleware, call, async () => {
    if (call.inputText !== given) decodeJson(call.inputText)
    return send(call.inputText)
  })
  if (typeof handle?.id === 'string') return handle
  throw new MiddlewareError('enqueue', 'it ended without a handle; return what next() answers, or throw')
}
