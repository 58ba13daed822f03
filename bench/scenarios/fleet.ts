// Workers that only tell of themselves, each over a connection of its own as a worker process has: ten jobs run in each.
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { FleetMember } from '../../src/worker/fleet/fleet-member.js'

const RUNNING = 10

export interface Fleet {
  readonly members: readonly FleetMember[]
  close(): Promise<void>
}

/** None of them has started; `queueOf` says which queue the n-th works. */
export function createFleet(url: string, count: number, queueOf: (n: number) => string): Fleet {
  const logger = pino({ level: 'silent' })
  const clients = Array.from({ length: count }, () => new Redis(url))
  const members = clients.map((client, n) => {
    const queue = queueOf(n)
    const runningJobs = Array.from({ length: RUNNING }, (_, job) => {
      return { queue, id: `job-${n}-${job}`, job: 'work', attempt: 1, startedAt: 1_800_000_000_000 }
    })
    const worker = {
      state: 'run' as const,
      handled: 7,
      loads: [{ queue, concurrency: RUNNING, running: RUNNING, handles: { work: 1 } }],
      runningJobs,
      quiet: () => undefined,
      resume: () => undefined,
      close: () => undefined,
      setConcurrency: () => undefined,
    }
    return new FleetMember({ client: client as never, prefix: 'drover', worker, logger })
  })
  return {
    members,
    close: async () => {
      for (const member of members) await member.close()
      for (const client of clients) client.disconnect()
    },
  }
}
