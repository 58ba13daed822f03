// One log line per request: method, path, status, time, id. Never a header, a query or a body: tokens and jobs' data are
// in those.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestHandler } from 'express'
import { type Logger, pino } from 'pino'
import { type Options, pinoHttp } from 'pino-http'
import { showText } from './show.js'

const MAX_PATH_LENGTH = 200
// Asked for every few seconds by open pages and probes; logged at debug unless they fail.
const FREQUENT = /^[^?]*(\/livez|\/readyz|\/overview\.json|\/api\/queues)(\?|$)/

/** Gives each request an id, which `request.id` then is, and logs its answer. */
export function requestLog(logger: Logger | undefined): RequestHandler {
  const options: Options = {
    logger: logger ?? pino({ enabled: false }),
    // Always our own: an id from outside could be anybody's, or a line of log.
    genReqId: () => randomUUID(),
    quietReqLogger: true,
    serializers: {
      req: (request: { method: string; url: string; remoteAddress?: string }) => ({
        method: request.method,
        path: showText(request.url.split('?', 1)[0] ?? '', MAX_PATH_LENGTH),
        remoteAddress: request.remoteAddress,
      }),
      res: (response: { statusCode: number }) => ({ statusCode: response.statusCode }),
    },
    customLogLevel: levelOf,
  }
  return pinoHttp(options) as RequestHandler
}

function levelOf(request: IncomingMessage, response: ServerResponse, error?: Error) {
  if (error !== undefined || response.statusCode >= 500) return 'error'
  if (response.statusCode >= 400) return 'warn'
  const isRefresh = request.headers['if-none-match'] !== undefined
  return isRefresh || FREQUENT.test(request.url ?? '') ? 'debug' : 'info'
}
