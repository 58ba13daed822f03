// Tries stored inputs as a worker of this build would, and counts what would break, with a few samples of each: ids and
// the paths of issues, never an input.
import {
  type AnyJobContract,
  decodeJson,
  InputVersionError,
  InvalidInputError,
  parseInput,
  versionOf,
} from '../../job/index.js'
import type { InputOpener } from '../../ledger/index.js'
import type { StoredInput, StoredState } from './stored-inputs.js'

export interface Sample {
  readonly id: string
  /** Of the input's issues, as `$.user.name`. */
  readonly paths: readonly string[]
}

/** One way in which stored inputs of one job and state would break. */
export interface Finding {
  readonly queue: string
  readonly job: string
  readonly state: StoredState
  /** Code of the error that the job would get: UNKNOWN_JOB, INVALID_INPUT, INPUT_VERSION or NOT_JSON; NOT_OPENED where middleware cannot open it. */
  readonly code: string
  /** What is wrong, where that is the same for all of them. */
  readonly reason: string | undefined
  readonly count: number
  readonly samples: readonly Sample[]
}

/** Other programs may have made any number of job names. */
const MAX_FINDINGS = 1_000
const MAX_PATHS = 5

export class Findings {
  readonly #queue: string
  readonly #contracts: ReadonlyMap<string, AnyJobContract>
  readonly #mostSamples: number
  readonly #open: InputOpener | undefined
  readonly #found = new Map<string, { finding: Omit<Finding, 'count' | 'samples'>; count: number; samples: Sample[] }>()
  /** Inputs that were tried. */
  checked = 0

  constructor(
    queue: string,
    contracts: readonly AnyJobContract[],
    { mostSamples, open }: { readonly mostSamples: number; readonly open?: InputOpener | undefined },
  ) {
    this.#open = open
    this.#queue = queue
    this.#contracts = new Map(contracts.map((contract) => [contract.name, contract]))
    this.#mostSamples = mostSamples
  }

  async check(stored: StoredInput): Promise<void> {
    this.checked++
    const problem = await problemOf(this.#contracts.get(stored.job), stored, this.#open)
    if (problem === undefined) return
    const { code, reason, paths } = problem
    const { job, state, id } = stored
    const wanted = [state, code, job, reason].join('|')
    const key = this.#found.has(wanted) || this.#found.size < MAX_FINDINGS ? wanted : `${state}|${code}`
    const known = this.#found.get(key) ?? {
      finding: { queue: this.#queue, job: key === wanted ? job : 'others', state, code, reason },
      count: 0,
      samples: [],
    }
    this.#found.set(key, known)
    known.count++
    if (known.samples.length < this.#mostSamples) known.samples.push({ id, paths })
  }

  get all(): Finding[] {
    return [...this.#found.values()].map(({ finding, count, samples }) => ({ ...finding, count, samples }))
  }
}

interface Problem {
  readonly code: string
  readonly reason?: string
  readonly paths: readonly string[]
}

async function problemOf(
  contract: AnyJobContract | undefined,
  stored: StoredInput,
  open: InputOpener | undefined,
): Promise<Problem | undefined> {
  if (contract === undefined) return { code: 'UNKNOWN_JOB', paths: [] }
  let input: unknown
  try {
    input = decodeJson(stored.text)
  } catch {
    return { code: 'NOT_JSON', paths: [] }
  }
  try {
    if (open !== undefined) input = await open(contract, input)
  } catch {
    // A key that this build does not have, or a value that was changed: the run would fail there, too.
    return { code: 'NOT_OPENED', paths: [] }
  }
  try {
    await parseInput(contract, input, versionOf(stored.options))
    return undefined
  } catch (error) {
    if (error instanceof InputVersionError) {
      return { code: error.code, reason: `version ${error.version}: ${error.reason}`, paths: [] }
    }
    if (!(error instanceof InvalidInputError)) throw error
    return { code: error.code, paths: error.issues.slice(0, MAX_PATHS).map(({ path }) => path) }
  }
}
