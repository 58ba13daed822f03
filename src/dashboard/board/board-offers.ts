// What bull-board offers to whom: whoever may not change jobs gets its queues as ones that are only read, so that its script
// shows none of its buttons. board-actions.ts refuses what is asked for anyway.
import type { RequestHandler } from 'express'
import { may, type Visit, visitOf } from '../visit.js'

/** The links in bull-board's header. */
export function boardLinks(visit: Visit): { text: string; url: string }[] {
  const overview = { text: 'Drover overview', url: `${visit.base}/` }
  return may(visit, 'operator') ? [overview, { text: 'Add a job', url: `${visit.base}/add` }] : [overview]
}

/** Stands before bull-board's interface: what is answered of queues is marked as read-only for a viewer. */
export const offerByRole: RequestHandler = (_request, response, next) => {
  if (!may(visitOf(response), 'operator')) {
    const send = response.json.bind(response)
    response.json = (body: unknown) => send(withoutActions(body))
  }
  next()
}

function withoutActions(body: unknown): unknown {
  const { queues } = (body ?? {}) as { queues?: unknown }
  if (!Array.isArray(queues)) return body
  return { ...(body as object), queues: queues.map((queue) => ({ ...queue, readOnlyMode: true, allowRetries: false })) }
}
