// The text that is stored for an input where no producer sends it alone: a handler's follow-up, a job of a flow or after a
// batch, a schedule, a row of an outbox. Middleware of enqueues runs around it, as around an enqueue.
import { type AnyJobContract, decodeJson, type Middleware, MiddlewareError, runThrough } from '../job/index.js'
import type { QueueingOptions } from './stored-job.js'

/** As src/producer's EnqueueCall, whose middleware is one of this kind. */
export interface StoringCall {
  readonly contract: AnyJobContract
  readonly id: string
  readonly input: unknown
  readonly options: Readonly<QueueingOptions>
  inputText: string
}

/** Middleware of enqueues; `next()` answers when the job is ready to be stored. */
export type StoringMiddleware = Middleware<
  StoringCall,
  { readonly id: string; readonly name: string; readonly queue: string }
>

/** Gives a stored input as it was before middleware of enqueues changed it: the text's JSON in, the input out. */
export type InputOpener = (contract: AnyJobContract, stored: unknown) => unknown

/** @throws MiddlewareError for one that did not call `next()`, NotJsonError for a text that is not JSON; what it throws */
export async function textThrough(
  middleware: readonly StoringMiddleware[] | undefined,
  call: Omit<StoringCall, 'options'> & { readonly options?: StoringCall['options'] | undefined },
): Promise<string> {
  if (middleware === undefined) return call.inputText
  const given = call.inputText
  let text: string | undefined
  const { name, queue } = call.contract
  const storing: StoringCall = { ...call, options: call.options ?? {} }
  await runThrough('enqueue', middleware, storing, async () => {
    if (storing.inputText !== given) decodeJson(storing.inputText)
    text = storing.inputText
    return { id: call.id, name, queue }
  })
  if (text === undefined) throw new MiddlewareError('enqueue', 'it must call next(), or throw')
  return text
}
