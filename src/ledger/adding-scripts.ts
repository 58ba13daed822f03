// BullMQ's scripts that add jobs, as other scripts embed them: collected while BullMQ defines them on a client.
import { readFileSync } from 'node:fs'
import { UnsupportedBullmqError } from '../job/index.js'
import { fillTemplate } from './fill-template.js'
import { limitFunctionsLua } from './limits/limit-functions.js'

const addStagedJobLua = readFileSync(new URL('./add-staged-job.lua', import.meta.url), 'utf8')

/** How many keys each takes; three arguments follow. */
export const ADDING_KEYS = { addStandardJob: 9, addDelayedJob: 6, addPrioritizedJob: 9 } as const
export type AddingScript = keyof typeof ADDING_KEYS

export function isAddingScript(script: string): script is AddingScript {
  return Object.hasOwn(ADDING_KEYS, script)
}

export class AddingScripts {
  readonly #texts = new Map<AddingScript, string>()

  set(script: AddingScript, lua: string): void {
    this.#texts.set(script, lua)
  }

  /** True when all three are here. */
  get isComplete(): boolean {
    return this.#texts.size === Object.keys(ADDING_KEYS).length
  }

  /** add-staged-job.lua with BullMQ's scripts in it. @throws UnsupportedBullmqError while one of them is missing */
  embed(): string {
    return fillTemplate(addStagedJobLua, {
      ADD_STANDARD: this.#textOf('addStandardJob'),
      ADD_DELAYED: this.#textOf('addDelayedJob'),
      ADD_PRIORITIZED: this.#textOf('addPrioritizedJob'),
      LIMITS: limitFunctionsLua,
    })
  }

  #textOf(script: AddingScript): string {
    const lua = this.#texts.get(script)
    if (lua === undefined) throw new UnsupportedBullmqError(script, 'it defined before moveToFinished', 'none so far')
    return lua
  }
}
