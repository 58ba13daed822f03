// Gathers jobs of one contract until there are enough of them or they have waited long enough, runs them in one call, and
// gives each its own answer. To the worker each is an attempt like all others: lock, timeout, effects and commit are its own.
import { isNativeError } from 'node:util/types'
import { BatchAnswerError, BatchCallError, describeValue } from '../../job/index.js'
import { Attempt } from '../attempt.js'
import type { JobContext } from '../context.js'
import { isPermanent } from '../retry-policy.js'
import { isThenable } from '../thenable.js'

export interface GatheringRules {
  readonly size: number
  readonly waitMs: number
  /** Whether jobs that failed before run in calls of their own. */
  readonly retriesAlone: boolean
}

/** One job of a call, as the handler gets it. */
export interface GatheredItem {
  readonly input: unknown
  readonly ctx: JobContext
}

/** What the call has beside its jobs. */
export interface CallContext {
  readonly signal: AbortSignal
}

export type RunCall = (items: readonly GatheredItem[], call: CallContext) => unknown

interface Place extends GatheredItem {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
  isOver: boolean
}

export class Gathering {
  readonly #rules: GatheringRules
  readonly #run: RunCall
  /** Told of a call that runs on although all its jobs are over. */
  readonly #onLeft: (items: number, call: Promise<unknown>) => void
  #places: Place[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(rules: GatheringRules, run: RunCall, onLeft: (items: number, call: Promise<unknown>) => void) {
    this.#rules = rules
    this.#run = run
    this.#onLeft = onLeft
  }

  /** Resolves with the answer for this job; rejects with its error, or the reason of its signal. */
  add(input: unknown, ctx: JobContext): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (ctx.signal.aborted) return reject(ctx.signal.reason)
      const place: Place = { input, ctx, resolve, reject, isOver: false }
      ctx.signal.addEventListener('abort', () => this.#leave(place), { once: true })
      if (this.#rules.retriesAlone && ctx.attempt > 1) void this.#call([place])
      else this.#gather(place)
    })
  }

  #gather(place: Place): void {
    this.#places.push(place)
    if (this.#places.length >= this.#rules.size) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), this.#rules.waitMs)
  }

  // One that is still gathered is in no call; one whose call runs is told by the call's signal, once all of them are over.
  #leave(place: Place): void {
    place.isOver = true
    if (place.ctx instanceof Attempt) place.ctx.dropLateWrites()
    place.reject(place.ctx.signal.reason)
    this.#places = this.#places.filter((other) => other !== place)
    // Else it cuts the wait of the next one short, and keeps a process that shuts down from its end.
    if (this.#places.length === 0) this.#stopTimer()
  }

  #stopTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #flush(): void {
    this.#stopTimer()
    const places = this.#places
    this.#places = []
    if (places.length > 0) void this.#call(places)
  }

  async #call(places: readonly Place[]): Promise<void> {
    const controller = new AbortController()
    const running = this.#start(places, controller.signal)
    const check = () => {
      if (controller.signal.aborted || !places.every(({ isOver }) => isOver)) return
      controller.abort(places.at(-1)?.ctx.signal.reason)
      this.#onLeft(places.length, running)
    }
    for (const { ctx } of places) ctx.signal.addEventListener('abort', check, { once: true })
    try {
      const answers = readAnswers(places.length, await running)
      await Promise.all(places.map((place, index) => settle(place, answers[index])))
    } catch (error) {
      // Of several jobs nobody knows whose fault it is: it must not end all of them for good.
      const isShared = places.length > 1 && isPermanent(error)
      const reason = isShared ? new BatchCallError(places.length, error) : error
      for (const place of places) place.reject(reason)
    } finally {
      for (const place of places) place.isOver = true
    }
  }

  // In a function of its own, so that what the handler throws before its first await is a rejection too.
  async #start(places: readonly Place[], signal: AbortSignal): Promise<unknown> {
    const items = places.map(({ input, ctx }) => Object.freeze({ input, ctx }))
    return this.#run(items, Object.freeze({ signal }))
  }
}

// Never rejects. An answer that is a promise is waited for also when its job is over: its rejection would end the process.
async function settle(place: Place, answer: unknown): Promise<void> {
  try {
    const value = isThenable(answer) ? await answer : answer
    if (value instanceof Error || isNativeError(value)) place.reject(value)
    else place.resolve(value)
  } catch (error) {
    place.reject(error)
  }
  place.isOver = true
}

function readAnswers(items: number, answers: unknown): readonly unknown[] {
  if (!Array.isArray(answers)) throw new BatchAnswerError(items, describeValue(answers))
  if (answers.length !== items) throw new BatchAnswerError(items, `a list of ${answers.length}`)
  for (let index = 0; index < items; index++) {
    if (!(index in answers)) throw new BatchAnswerError(items, `a list without an answer at ${index}`)
  }
  return answers
}
