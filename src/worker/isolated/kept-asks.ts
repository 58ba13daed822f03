// What an isolated handler keeps between its attempts: its thread or process has no Redis, so it asks the worker, which does
// it for the run whose lock it holds. Both ends are here.
import { LockLostError, StepRejectedError } from '../../job/index.js'
import type { KeptStore } from '../steps/kept-store.js'

/** One call of a KeptStore, as data. */
export type KeptAsk =
  | { readonly call: 'read' }
  | { readonly call: 'save'; readonly field: string; readonly text: string }
  | { readonly call: 'claim'; readonly key: string }
  | { readonly call: 'settle'; readonly key: string; readonly text: string | null; readonly keepMs: number }

/** What of the worker's attempt an answer needs. */
export interface AskedAttempt {
  readonly abortReason: Error | undefined
  abort(reason: Error): void
}

/** The worker's end: does what is asked, as long as the attempt runs, and gives the answer as data. */
export async function answerAsk(attempt: AskedAttempt, store: KeptStore | undefined, ask: KeptAsk): Promise<unknown> {
  if (attempt.abortReason) throw attempt.abortReason
  if (store === undefined) throw new StepRejectedError('a step', 'nothing can be kept here')
  try {
    switch (ask.call) {
      case 'read':
        return [...(await store.read())]
      case 'save':
        return await store.save(ask.field, ask.text)
      case 'claim':
        return await store.claim(ask.key)
      case 'settle':
        return await store.settle(ask.key, ask.text ?? undefined, ask.keepMs)
    }
  } catch (error) {
    if (error instanceof LockLostError) attempt.abort(error)
    throw error
  }
}

/** The handler's end, a store like the worker's: `ask` brings one call there and back. */
export function createAskingStore(ask: (ask: KeptAsk) => Promise<unknown>): KeptStore {
  return {
    read: async () => new Map((await ask({ call: 'read' })) as [string, string][]),
    save: async (field, text) => void (await ask({ call: 'save', field, text })),
    claim: async (key) => (await ask({ call: 'claim', key })) as Awaited<ReturnType<KeptStore['claim']>>,
    settle: async (key, text, keepMs) => void (await ask({ call: 'settle', key, text: text ?? null, keepMs })),
  }
}

/** Gives each ask its number, and each answer to who asked. */
export class Asking {
  readonly #post: (number: number, ask: KeptAsk) => void
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>()
  #asked = 0

  constructor(post: (number: number, ask: KeptAsk) => void) {
    this.#post = post
  }

  ask(ask: KeptAsk): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const number = ++this.#asked
      this.#waiting.set(number, { resolve, reject })
      this.#post(number, ask)
    })
  }

  answered(number: number, value: unknown, error: unknown): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(error)
  }
}
