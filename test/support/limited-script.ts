// A worker process under limits, for tests that kill it. What it runs it notes in a file, one line for each start and end.
// argv: Redis URL, queue, the file.
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createWorker, handle } from '../../src/worker/index.js'

const [redis = '', queue = '', file = ''] = process.argv.slice(2)
const input = z.object({ tenant: z.string(), n: z.number() })
const attempts = { attempts: 3, backoff: { type: 'fixed', delay: 30, jitter: 0 } } as const
const shared = defineJob({ name: 'shared', queue, input, ...attempts, limit: { key: 'tenant', concurrency: 2 } })
const ordered = defineJob({ name: 'ordered', queue, input, ...attempts, limit: { key: 'tenant', order: 'strict' } })
const note = (line: object) =>
  appendFileSync(file, `${JSON.stringify({ ...line, pid: process.pid, at: Date.now() })}\n`)

const run = async (
  { tenant, n }: z.infer<typeof input>,
  { id, job, attempt }: { id: string; job: string; attempt: number },
) => {
  note({ kind: 'start', job, tenant, n, id })
  await sleep(20 + ((n * 13) % 40))
  note({ kind: 'end', job, tenant, n, id })
  if (n % 7 === 3 && attempt === 1) throw new Error('once')
}
await createWorker({
  redis,
  handlers: [handle(shared, run), handle(ordered, run)],
  concurrency: 8,
  // Longer than a busy machine stands still: a lock that ran out would be an overlap that no limit let happen.
  lockDuration: '5s',
  stalledInterval: 100,
  logger: pino({ level: 'silent' }),
})
process.stdout.write('ready\n')
