// Gathers the commits of jobs that end in the same tick into few calls: handling one, and setting BullMQ's functions up where
// it is a script, cost a good part of what finishing a job does. A commit that comes alone leaves in the same tick too.
import { COMMIT_COMMAND, LIMITED_COMMIT_COMMAND } from './bullmq-scripts.js'

/** Most jobs in one call: larger calls save little more, and others wait for Redis while one runs. */
const MAX_BATCH = 16
/** At most one job in so many shares a call: with all of them in one, Redis and worker would wait for each other. */
const CALLS_IN_FLIGHT = 3

/** How many calls of one worker share one look for events to trim. */
const TRIM_EVENTS_EVERY = 10
/** The word of a job that has BullMQ's packed options. */
const PACKED = 3

/** How many jobs may share one call in a worker that runs `concurrency` jobs at a time. */
export function batchLimit(concurrency: number): number {
  return Math.min(MAX_BATCH, Math.ceil(concurrency / CALLS_IN_FLIGHT))
}

type RunCommand = { runCommand(name: string, args: unknown[]): Promise<unknown> }

interface Commit {
  readonly jobKey: unknown
  readonly words: readonly unknown[]
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
}

export class CommitBatch {
  readonly #bases: readonly [string, string]
  readonly #limit: number
  readonly #ready: Promise<unknown>
  #client: RunCommand | undefined
  /** True once the queue is known to have limits. */
  isLimited = false
  #waiting: Commit[] = []
  #calls = 0

  /**
   * `bases` are what our keys and BullMQ's keys of the queue start with; `client` is BullMQ's, once it is connected;
   * `limit` is how many jobs may share a call.
   */
  constructor(bases: readonly [string, string], client: Promise<unknown>, limit: number) {
    this.#bases = bases
    this.#limit = limit
    this.#ready = client
  }

  /** Sends the words of one job to commit.lua. Resolves with its reply, rejects with its error or the connection's. */
  commit(jobKey: unknown, words: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const size = this.#waiting.push({ jobKey, words, resolve, reject })
      if (size >= this.#limit) void this.#send()
      else if (size === 1) process.nextTick(() => void this.#send())
    })
  }

  async #send(): Promise<void> {
    const commits = this.#waiting
    if (commits.length === 0) return
    this.#waiting = []
    try {
      this.#client ??= (await this.#ready) as RunCommand
      const command = this.isLimited ? LIMITED_COMMIT_COMMAND : COMMIT_COMMAND
      const replies = (await this.#client.runCommand(command, this.#argumentsOf(commits))) as unknown[]
      for (const [index, { resolve, reject }] of commits.entries()) {
        const reply = replies[index]
        if (reply instanceof Error) reject(reply)
        else resolve(reply)
      }
    } catch (error) {
      for (const { reject } of commits) reject(error)
    }
  }

  #argumentsOf(commits: readonly Commit[]): unknown[] {
    const args: unknown[] = [commits.length]
    for (const { jobKey } of commits) args.push(jobKey)
    args.push(...this.#bases, this.#calls++ % TRIM_EVENTS_EVERY === 0 ? 1 : 0)
    let packed: unknown
    for (const { words } of commits) {
      const first = args.push(words.length)
      for (const word of words) args.push(word)
      if (words[PACKED] === packed) args[first + PACKED] = ''
      packed = words[PACKED]
    }
    return args
  }
}
