// The door `drover/postgres`: jobs that are enqueued in an app's own Postgres transaction, and the relay that brings them
// to Redis. It loads no Postgres client: the app gives its own.
export { type CreateOutboxOptions, createOutbox, type Outbox, type OutboxJobOptions } from './create-outbox.js'
export { createOutboxRelay, type OutboxRelay } from './create-outbox-relay.js'
export { type OutboxOptions, outboxSchema } from './outbox-table.js'
export type { OutboxRelayOptions } from './relay-options.js'
export type { PooledSqlClient, SqlClient, SqlPool, SqlResult } from './sql-client.js'
