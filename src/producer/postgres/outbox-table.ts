// The table of the outbox: its name, the SQL that makes it, and every statement on it.
import { InvalidOptionError, refuseUnknown } from '../../job/index.js'

export interface OutboxOptions {
  /**
   * Table of the outbox: lower-case letters, digits and `_`, at most 48, with a schema and a point before it if wanted.
   * Default `drover_outbox`, in the schema that the connection's search_path says.
   */
  readonly table?: string | undefined
}

export interface OutboxTable {
  readonly name: string
  readonly insert: string
  readonly claim: string
  readonly read: string
  readonly remove: string
  readonly putOff: string
  readonly note: string
}

const DEFAULT_TABLE = 'drover_outbox'
const TABLE = /^([a-z_][a-z0-9_]{0,47}\.)?[a-z_][a-z0-9_]{0,47}$/
const TABLE_RULE = 'lower-case letters, digits and _, at most 48, with a schema before a point if wanted'

/** @throws InvalidOptionError, UnknownOptionError */
export function readTable(options: OutboxOptions, where: string): OutboxTable {
  refuseUnknown(options, ['table'], where)
  return outboxTable(options.table)
}

/** @throws InvalidOptionError */
export function outboxTable(name: string = DEFAULT_TABLE): OutboxTable {
  checkName(name)
  const quoted = quote(name)
  return {
    name,
    insert: `INSERT INTO ${quoted} (job_id, queue, name, input, options, rules, enqueued_at_ms)
      VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    // A row that another relay has in hand is skipped, not waited for.
    claim: `SELECT seq::text AS seq, octet_length(input) AS bytes FROM ${quoted}
      WHERE parked_at IS NULL AND due_at <= now() ORDER BY due_at, seq LIMIT $1 FOR UPDATE SKIP LOCKED`,
    read: `SELECT seq::text AS seq, job_id, queue, name, input, options, rules, enqueued_at_ms::float8 AS enqueued_at_ms,
      tries FROM ${quoted} WHERE seq = ANY($1::bigint[]) ORDER BY seq`,
    remove: `DELETE FROM ${quoted} WHERE seq = ANY($1::bigint[])`,
    putOff: `UPDATE ${quoted} SET due_at = now() + $2::float8 * interval '1 millisecond' WHERE seq = ANY($1::bigint[])`,
    note: `UPDATE ${quoted} SET tries = tries + 1, error = $2, due_at = now() + $3::float8 * interval '1 millisecond',
      parked_at = CASE WHEN $4::boolean THEN now() END WHERE seq = $1::bigint`,
  }
}

/**
 * The SQL that makes the table and its index where they are missing: one statement, which may run again and from several
 * deploys at once. For a migration, or at the app's start.
 * @throws InvalidOptionError, UnknownOptionError
 */
export function outboxSchema(options: OutboxOptions = {}): string {
  const { name } = readTable(options, 'outboxSchema')
  const index = `${name.split('.').at(-1)}_due`
  return `DO $drover$ BEGIN
  -- Two sessions that create one table at the same time would fail in Postgres's own catalog.
  PERFORM pg_advisory_xact_lock(hashtext('drover:${name}'));
  CREATE TABLE IF NOT EXISTS ${quote(name)} (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text NOT NULL,
    queue text NOT NULL,
    name text NOT NULL,
    input text NOT NULL,
    options text NOT NULL,
    rules text,
    enqueued_at_ms bigint NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    error text,
    parked_at timestamptz
  );
  CREATE INDEX IF NOT EXISTS "${index}" ON ${quote(name)} (due_at, seq) WHERE parked_at IS NULL;
END $drover$`
}

function checkName(name: unknown): void {
  if (typeof name !== 'string' || !TABLE.test(name)) throw new InvalidOptionError('table', TABLE_RULE, name)
}

function quote(name: string): string {
  return name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')
}
