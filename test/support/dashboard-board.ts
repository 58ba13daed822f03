// bull-board's HTTP interface as its own page uses it.
import { type Answer, ask } from './dashboard-http.js'

/** A change as bull-board's own page sends it. */
export function change(url: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const headers = {
    origin: url,
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  }
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }
  return ask(url, `/queues/api/queues${path}`, { method, headers, ...sent })
}

export interface BoardQueue {
  readonly name: string
  readonly readOnlyMode: boolean
  readonly counts: Record<string, number>
  readonly jobs: readonly {
    readonly data: unknown
    readonly failedReason: string
    readonly stacktrace: readonly string[]
  }[]
}

export async function boardQueues(url: string, query = ''): Promise<readonly BoardQueue[]> {
  return (await ask(url, `/queues/api/queues${query}`)).json<{ queues: BoardQueue[] }>().queues
}
