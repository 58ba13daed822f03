// What one run does with what it keeps: a step runs unless an earlier run has its result, a checkpoint replaces the one
// before, and of all runs that ask for one key one runs its function. Redis is kept-store.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Duration, InvalidOptionError, parseDuration, StepRejectedError } from '../../job/index.js'
import type { KeptStore } from './kept-store.js'
import { checkKeptName, decodeKept, encodeKept } from './kept-value.js'

/** Most steps of one job, and most bytes of all that it keeps: each attempt that uses steps reads all of it. */
export const MAX_STEPS = 1_000
export const MAX_ALL_KEPT_BYTES = 1_048_576
export const CHECKPOINT_FIELD = 'drover:checkpoint'
const STEP_FIELD = 'drover:step:'
/** Waits between looks at a key that another run has, doubled up to the most. */
const [FIRST_LOOK_MS, MAX_LOOK_MS] = [25, 1_000]
/** How many fields one staged write may remove. */
const FIELDS_A_WRITE = 900

export interface OnceOptions {
  /** How long the result is kept from when it is there, 1 s to 365 days. Default `24h`. */
  readonly keep?: Duration
}

/** What of an attempt its steps need. */
export interface StepsRoom {
  readonly store: KeptStore
  readonly signal: AbortSignal
  /** Why nothing may be kept any more; undefined while the attempt runs. */
  readonly over: () => Error | undefined
}

export class Steps {
  readonly #room: StepsRoom
  /** Names of steps and keys that run now, or are done. */
  readonly #taken = new Set<string>()
  #reading: Promise<Map<string, string>> | undefined
  #kept = new Map<string, string>()
  #bytes = 0
  /** All that the job's hash may hold by now, answered or not. */
  readonly #fields = new Set<string>()

  constructor(room: StepsRoom) {
    this.#room = room
  }

  async step(name: string, run: () => unknown): Promise<unknown> {
    const what = `step ${JSON.stringify(checkKeptName('step', name))}`
    checkFunction('step', run)
    return this.#taking(what, async () => {
      const field = STEP_FIELD + name
      const kept = await this.#read()
      const found = kept.get(field)
      if (found !== undefined) return decodeKept(found)
      // Before it runs: what it did could not be kept.
      if (!this.#fields.has(field) && this.#stepCount >= MAX_STEPS) {
        throw new StepRejectedError(what, `a job keeps at most ${MAX_STEPS} steps: split it`)
      }
      this.#fields.add(field)
      this.#requireRunning()
      const value = await run()
      this.#requireRunning()
      return decodeKept(await this.#keep(what, field, encodeKept(what, value)))
    })
  }

  async checkpoint(state: unknown): Promise<void> {
    this.#requireRunning()
    // As it is now, whatever the handler does to it while earlier ones are read.
    const text = encodeKept('the checkpoint', state)
    await this.#read()
    await this.#keep('the checkpoint', CHECKPOINT_FIELD, text)
  }

  async checkpointed(): Promise<unknown> {
    return decodeKept((await this.#read()).get(CHECKPOINT_FIELD) ?? '')
  }

  async once(key: string, run: () => unknown, options: OnceOptions = {}): Promise<unknown> {
    const what = `once ${JSON.stringify(checkKeptName('once', key))}`
    checkFunction('once', run)
    const keepMs = parseDuration(readKeep(options), { option: 'keep', minMs: 1_000 })
    return this.#taking(what, async () => {
      const found = await this.#claim(key)
      if (found !== undefined) return decodeKept(found)
      const { store } = this.#room
      try {
        this.#requireRunning()
        const value = await run()
        this.#requireRunning()
        const text = encodeKept(what, value)
        await store.settle(key, text, keepMs)
        return decodeKept(text)
      } catch (error) {
        // Others need not wait for the end of this attempt. Should it fail, the key is free once the lock is.
        if (this.#room.over() === undefined) await store.settle(key, undefined, keepMs).catch(() => undefined)
        throw error
      }
    })
  }

  /** The writes that remove what was kept, for the commit of a job that completes. */
  removal(jobKey: string): (readonly string[])[] {
    const fields = [...this.#fields]
    const writes: (readonly string[])[] = []
    for (let at = 0; at < fields.length; at += FIELDS_A_WRITE) {
      writes.push(['HDEL', jobKey, ...fields.slice(at, at + FIELDS_A_WRITE)])
    }
    return writes
  }

  /** Resolves with the text that is kept; with undefined when this run has the key now. */
  async #claim(key: string): Promise<string | undefined> {
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(MAX_LOOK_MS, waitMs * 2)) {
      this.#requireRunning()
      const claim = await this.#room.store.claim(key)
      if (claim.kind === 'done') return claim.text
      if (claim.kind === 'yours') return undefined
      await sleep(waitMs, undefined, { signal: this.#room.signal }).catch(() => undefined)
    }
  }

  // A name is free again when its function failed: the handler may try it again.
  async #taking<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
    this.#requireRunning()
    if (this.#taken.has(what)) {
      throw new StepRejectedError(
        what,
        'this run has one of this name already: name each apart, such as page-1, page-2',
      )
    }
    this.#taken.add(what)
    try {
      return await work()
    } catch (error) {
      this.#taken.delete(what)
      throw error
    }
  }

  async #keep(what: string, field: string, text: string): Promise<string> {
    this.#requireRunning()
    const before = this.#bytesOf(field)
    const more = Buffer.byteLength(text) - before
    if (this.#bytes + more > MAX_ALL_KEPT_BYTES) {
      throw new StepRejectedError(what, `the job would keep more than ${MAX_ALL_KEPT_BYTES} bytes: keep references`)
    }
    this.#bytes += more
    this.#fields.add(field)
    try {
      await this.#room.store.save(field, text)
      this.#kept.set(field, text)
      return text
    } catch (error) {
      this.#bytes -= more
      throw error
    }
  }

  get #stepCount(): number {
    return this.#fields.size - (this.#fields.has(CHECKPOINT_FIELD) ? 1 : 0)
  }

  #bytesOf(field: string): number {
    return Buffer.byteLength(this.#kept.get(field) ?? '')
  }

  async #read(): Promise<Map<string, string>> {
    this.#requireRunning()
    this.#reading ??= this.#room.store.read().then((kept) => {
      this.#kept = kept
      for (const field of kept.keys()) {
        this.#fields.add(field)
        this.#bytes += this.#bytesOf(field)
      }
      return kept
    })
    try {
      return await this.#reading
    } catch (error) {
      this.#reading = undefined
      throw error
    }
  }

  #requireRunning(): void {
    const over = this.#room.over()
    if (over) throw over
  }
}

function checkFunction(option: string, run: unknown): void {
  if (typeof run !== 'function') throw new InvalidOptionError(option, 'a function beside the name', run)
}

function readKeep(options: OnceOptions): unknown {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError('options', 'an object with keep alone for ctx.once', options)
  }
  for (const name of Object.keys(options)) {
    if (name !== 'keep') throw new InvalidOptionError('options', 'an object with keep alone for ctx.once', options)
  }
  return options.keep ?? '24h'
}
