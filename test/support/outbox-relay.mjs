// A relay process that tests kill: moves the rows of the outbox until a line comes on standard input. Needs dist/.
// argv: Redis URL, Postgres URL, rows of a batch.
import { createOutboxRelay } from 'drover/postgres'
import pg from 'pg'

const [redis, connectionString, batchSize] = process.argv.slice(2)
const pool = new pg.Pool({ connectionString })
pool.on('error', () => undefined)
const relay = createOutboxRelay({ pool, redis, interval: '10ms', batchSize: Number(batchSize) })
process.stdout.write('ready\n')

process.stdin.once('data', async () => {
  await relay.close()
  await pool.end()
  process.stdin.destroy()
})
