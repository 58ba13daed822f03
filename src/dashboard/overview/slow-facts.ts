// What the overview shows and its rules look at that need not be read with every poll: what Redis says of itself, the oldest
// of the running jobs, releases, and the next schedules. Read again when it is ten seconds old.
import {
  type ActiveJobs,
  type Release,
  readActiveJobs,
  readReleases,
  readSchedule,
  type ServerFacts,
} from '../../ledger/index.js'
import { queueKeys, type RedisClient, type RedisSettings, readServerInfo } from '../../redis/index.js'

export interface SlowFacts {
  readonly server: ServerFacts
  readonly active: ReadonlyMap<string, ActiveJobs>
  readonly releases: readonly Release[]
  /** Job name of each schedule that is due next, by queue and name. */
  readonly jobOfSchedule: ReadonlyMap<string, string>
}

/** A schedule that is due next. */
export interface NextSchedule {
  readonly queue: string
  readonly name: string
  readonly at: number
}

const FRESH_MS = 10_000
/** The oldest running jobs of a queue, which are looked at one by one. */
const ACTIVE_SAMPLE = 20

export class SlowFactsSource {
  readonly #client: RedisClient
  readonly #prefix: string
  readonly #redis: RedisSettings
  #facts: SlowFacts | undefined
  #freshUntil = 0

  constructor(client: RedisClient, prefix: string, redis: RedisSettings) {
    this.#client = client
    this.#prefix = prefix
    this.#redis = redis
  }

  /** @throws what Redis rejects a read with */
  async read(queues: readonly string[], schedules: readonly NextSchedule[], nowMs: number): Promise<SlowFacts> {
    if (this.#facts !== undefined && performance.now() < this.#freshUntil) return this.#facts
    const [server, active, releases, jobOfSchedule] = await Promise.all([
      this.#readServer(),
      this.#readActive(queues, nowMs),
      readReleases(this.#client, this.#prefix),
      this.#readJobs(schedules),
    ])
    this.#facts = { server, active, releases, jobOfSchedule }
    this.#freshUntil = performance.now() + FRESH_MS
    return this.#facts
  }

  async #readServer(): Promise<ServerFacts> {
    const startedAt = performance.now()
    await this.#client.ping()
    const roundTripMs = performance.now() - startedAt
    return { info: await readServerInfo(this.#client), redis: this.#redis, durability: 'standard', roundTripMs }
  }

  async #readActive(queues: readonly string[], nowMs: number): Promise<Map<string, ActiveJobs>> {
    const read = (queue: string) =>
      readActiveJobs(this.#client, queueKeys(this.#prefix, queue), { most: ACTIVE_SAMPLE, nowMs })
    const active = await Promise.all(queues.map(read))
    return new Map(queues.map((queue, index) => [queue, active[index] as ActiveJobs]))
  }

  async #readJobs(schedules: readonly NextSchedule[]): Promise<Map<string, string>> {
    const records = await Promise.all(
      schedules.map(({ queue, name }) => readSchedule(this.#client, queueKeys(this.#prefix, queue), name)),
    )
    return new Map(
      records.flatMap((record, index) => {
        const schedule = schedules[index]
        return record && schedule ? [[scheduleName(schedule), record.spec.job]] : []
      }),
    )
  }
}

export function scheduleName({ queue, name }: Pick<NextSchedule, 'queue' | 'name'>): string {
  return `${queue} ${name}`
}
