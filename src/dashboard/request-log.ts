// One log line per request: method, path, status, time, id; of many that fail alike, one a second. Never a header, a query
// or a body: tokens and jobs' data are in those.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import { type Logger, pino } from 'pino'
import { type Options, pinoHttp } from 'pino-http'
import { logThinned } from '../job/index.js'
import { showText } from './show.js'

const MAX_PATH_LENGTH = 200
// Asked for every few seconds by open pages and probes; logged at debug unless they fail.
const FREQUENT = /^[^?]*(\/livez|\/readyz|\/overview\.json|\/api\/queues)(\?|$)/

/** Gives each request an id, which `request.id` then is, and logs its answer. */
export function requestLog(logger: Logger | undefined): RequestHandler {
  const log = pinoHttp(logOptions(logger ?? pino({ enabled: false }))) as RequestHandler
  if (logger === undefined) return log
  return (request, response, next) => {
    logFailure(logger, request, response)
    log(request, response, next)
  }
}

function logOptions(logger: Logger): Options {
  return {
    logger,
    // Always our own: an id from outside could be anybody's, or a line of log.
    genReqId: () => randomUUID(),
    quietReqLogger: true,
    serializers: {
      req: describeRequest,
      res: (response: { statusCode: number }) => ({ statusCode: response.statusCode }),
    },
    customLogLevel: levelOf,
  }
}

function describeRequest({ method, url, remoteAddress }: { method: string; url: string; remoteAddress?: string }) {
  return { method, path: showText(url.split('?', 1)[0] ?? '', MAX_PATH_LENGTH), remoteAddress }
}

/** Logs the answer when it is a refusal or an error, which may come in storms: pino-http leaves those out. */
function logFailure(logger: Logger, request: Request, response: Response): void {
  const startedMs = performance.now()
  // Of a connection that is gone by the end, too.
  const { remoteAddress = '' } = request.socket
  response.once('close', () => {
    const { statusCode, err } = response
    if (statusCode < 400) return
    const fields = {
      reqId: request.id,
      req: describeRequest({ method: request.method, url: request.originalUrl, remoteAddress }),
      res: { statusCode },
      ...(err === undefined ? {} : { err }),
      responseTime: Math.round(performance.now() - startedMs),
    }
    // The route as it is written, so that names in paths make no kinds.
    const kind = `${statusCode} ${err?.name} ${request.method} ${request.route?.path}`
    if (statusCode >= 500) logThinned(logger, 'error', fields, 'request errored', kind)
    else logThinned(logger, 'warn', fields, 'request refused', `${statusCode}`)
  })
}

function levelOf(request: IncomingMessage, response: ServerResponse, error?: Error) {
  if (response.statusCode >= 400) return 'silent'
  if (error !== undefined) return 'error'
  const isRefresh = request.headers['if-none-match'] !== undefined
  return isRefresh || FREQUENT.test(request.url ?? '') ? 'debug' : 'info'
}
