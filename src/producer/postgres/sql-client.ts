// What is asked of a Postgres client, `pg` or one like it; and a transaction on one of a pool, bounded in time.

/** Anything that runs one statement with `$1` parameters: pg's `Client` or `PoolClient`, or a wrapper around another. */
export interface SqlClient {
  query(text: string, values?: unknown[]): Promise<unknown>
}

export interface SqlResult {
  readonly rows: readonly unknown[]
}

/** A client out of a pool, as pg's `PoolClient`. */
export interface PooledSqlClient {
  query(text: string, values?: unknown[]): Promise<SqlResult>
  /** With true the connection is ended, not used again. */
  release(destroy?: boolean): void
  on?(event: 'error', listener: (error: Error) => void): unknown
}

/** As pg's `Pool`. */
export interface SqlPool {
  connect(): Promise<PooledSqlClient>
}

export type Query = (text: string, values?: unknown[]) => Promise<readonly unknown[]>

/** So long may Postgres take for a connection or a statement; then the connection is given up. */
const QUERY_TIMEOUT_MS = 30_000

/** Rejects with what `work` or Postgres threw; nothing is committed then, unless the reply to COMMIT was lost. */
export async function inTransaction<Value>(pool: SqlPool, work: (query: Query) => Promise<Value>): Promise<Value> {
  const client = await withinTime(pool.connect(), 'a connection', (late) => late.release())
  const state = { isBroken: false }
  // Without a listener the end of a connection between two statements would end the process; the next statement fails.
  const noteEnd = () => {
    state.isBroken = true
  }
  if (!listened.has(client)) {
    listened.add(client)
    client.on?.('error', () => ends.get(client)?.())
  }
  ends.set(client, noteEnd)
  const query: Query = async (text, values) => {
    try {
      return (await withinTime(client.query(text, values), 'an answer')).rows
    } catch (error) {
      state.isBroken = true
      throw error
    }
  }
  try {
    await query('BEGIN')
    const value = await work(query)
    await query('COMMIT')
    return value
  } catch (error) {
    if (!state.isBroken) await query('ROLLBACK').catch(noteEnd)
    throw error
  } finally {
    ends.delete(client)
    client.release(state.isBroken)
  }
}

/** A pool hands the same client out again: it is listened to once. */
const listened = new WeakSet<PooledSqlClient>()
const ends = new WeakMap<PooledSqlClient, () => void>()

async function withinTime<Value>(running: Promise<Value>, what: string, undo?: (late: Value) => void): Promise<Value> {
  let isLate = false
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true
      reject(new Error(`Postgres gave no ${what.replace(/^an? /, '')} within ${QUERY_TIMEOUT_MS / 1_000} s`))
    }, QUERY_TIMEOUT_MS)
  })
  running.then(
    (value) => {
      if (isLate) undo?.(value)
    },
    () => undefined, // told by the race, or too late to matter
  )
  try {
    return await Promise.race([running, late])
  } finally {
    clearTimeout(timer)
  }
}
