// The HTTP API: an Express router over one producer and one more connection. A request passes call.ts (its id),
// gates.ts (token, rate, scope), its row of routes.ts, and on the way out problem.ts if it cannot be served.
import { type RequestHandler, Router } from 'express'
import { flushThrottled, logThinned, parseDuration } from '../../job/index.js'
import { AccessList } from '../../ledger/index.js'
import { checkPrefix, readDurability } from '../../redis/index.js'
import { BullQueues } from '../bull-queues.js'
import { createServerProducer, readSettings } from '../create-producer.js'
import { RedisGate } from '../redis-gate.js'
import { accessOf, answerError, answerJson, answerNothing, callOf, startCall } from './call.js'
import { Contracts } from './contracts.js'
import { EventFeeds } from './event-feed.js'
import { authenticate, checkScope, limitRate, requireToken } from './gates.js'
import { createDocument } from './openapi.js'
import { checkOptions, type HttpApiOptions } from './options.js'
import { refuse } from './problem.js'
import { readBody } from './read-body.js'
import type { Room } from './room.js'
import type { Route } from './route.js'
import { ROUTES } from './routes.js'

export interface HttpApi {
  /** Answers everything below `/v1` and `/openapi.json`, and hands on all else: `app.use(api.router)`. */
  readonly router: Router
  /** Ends waits and event streams, and closes the connections to Redis. The server is its owner's to close. */
  close(): Promise<void>
}

/** What a body may have around the input: its own limit is the contract's. */
const ENVELOPE_BYTES = 65_536
const MAX_TIMEOUT_MS = 600_000

/**
 * The API of these jobs. It connects to Redis at once, and goes on trying while Redis is down: requests are then answered
 * 503. Without a token nothing is answered but 401.
 * @throws UnknownOptionError, InvalidOptionError, InvalidPrefixError, RedisUrlError; ConfigError for the environment
 */
export function createHttpApi(options: HttpApiOptions): HttpApi {
  const { adminToken, rateLimit, maxBulkBytes, maxWaits, maxStreams, logger } = checkOptions(options)
  const contracts = new Contracts(options.contracts)
  const settings = readSettings(options.redis)
  const prefix = checkPrefix(options.prefix ?? 'drover')
  const timeoutMs = parseDuration(options.timeout ?? '5s', { option: 'timeout', minMs: 1, maxMs: MAX_TIMEOUT_MS })
  const { durability, allowVolatile, middleware } = options
  const producer = createServerProducer({
    redis: settings,
    prefix,
    timeout: timeoutMs,
    durability,
    allowVolatile,
    middleware,
  })
  const gate = new RedisGate(settings, timeoutMs, readDurability(options))
  const closing = new AbortController()
  const maxLineBytes = contracts.maxInputBytes + ENVELOPE_BYTES
  const room: Room = {
    prefix,
    contracts,
    producer,
    gate,
    queues: new BullQueues(gate.client, prefix),
    accessList: new AccessList((operation, command) => gate.run(operation, command), {
      client: gate.client,
      prefix,
      adminToken,
    }),
    feeds: new EventFeeds({
      prefix,
      settings,
      onError: (error) => {
        if (logger)
          logThinned(logger, 'warn', { err: error }, 'an event stream of Redis broke; its clients may come back')
      },
    }),
    readBody: (call) => readBody(call, maxLineBytes),
    knownQueues: new Set(),
    waits: { count: 0, max: maxWaits },
    streams: { count: 0, max: maxStreams },
    maxLineBytes,
    maxBulkBytes,
    closing: closing.signal,
  }
  const entry = inOrder([startCall(logger), authenticate(room.accessList), limitRate(rateLimit), requireToken])
  let closed: Promise<void> | undefined
  return {
    router: createRouter(room, entry),
    close: () => {
      closing.abort()
      closed ??= closeRoom(room).finally(() => logger && flushThrottled(logger))
      return closed
    },
  }
}

async function closeRoom({ feeds, producer, queues, gate }: Room): Promise<void> {
  feeds.close()
  await producer.close()
  await gate.close()
  await queues.close()
}

// One handler of several: the router takes the path apart again for each that it has.
function inOrder(handlers: readonly RequestHandler[]): RequestHandler {
  return (request, response, next) => {
    let at = 0
    const step = (error?: unknown): void => {
      const handler = error === undefined ? handlers[at++] : undefined
      if (handler === undefined) {
        next(error)
        return
      }
      try {
        handler(request, response, step)
      } catch (thrown) {
        next(thrown)
      }
    }
    step()
  }
}

function createRouter(room: Room, entry: RequestHandler): Router {
  // Paths match exactly: `/V1/jobs` and `/v1/jobs/` are other paths.
  const exact = { caseSensitive: true, strict: true }
  const v1 = Router(exact)
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    const routes = ROUTES.filter((route) => route.path === path)
    const place = v1.route(path)
    for (const route of routes) place[route.method](enter(route, room))
    place.all(otherMethod(routes.map(({ method }) => method)))
  }
  const router = Router(exact)
  router.use('/v1', entry, fixedPaths(room), v1, notFound, answerError)
  const document = router.route('/openapi.json')
  document.all(entry)
  document.get((_request, response) => {
    const call = callOf(response)
    answerJson(call, 200, createDocument(room.contracts.all, accessOf(call)))
  })
  document.all(otherMethod(['get']), answerError)
  return router
}

// Routes without a parameter, asked for without a query, are found at once, and the router is left out: that is most
// requests, as jobs are enqueued so.
function fixedPaths(room: Room): RequestHandler {
  const fixed = ROUTES.filter(({ path }) => !path.includes(':'))
  const handlers = new Map(fixed.map((route) => [`${route.method.toUpperCase()} ${route.path}`, enter(route, room)]))
  return (request, response, next) => {
    const handler = handlers.get(`${request.method} ${request.url}`)
    if (handler === undefined) next()
    else handler(request, response, next)
  }
}

function enter({ method, path, scope, reach, handle }: Route, room: Room): RequestHandler {
  const name = `${method} ${path}`
  return (_request, response, next) => {
    const call = callOf(response)
    call.route = name
    try {
      checkScope(call, scope, reach)
    } catch (error) {
      return next(error)
    }
    handle(call, room).catch(next)
  }
}

function otherMethod(methods: readonly string[]): RequestHandler {
  const allowed = [
    ...methods.map((method) => method.toUpperCase()),
    ...(methods.includes('get') ? ['HEAD'] : []),
    'OPTIONS',
  ]
  const allow = allowed.join(', ')
  return (request, response, next) => {
    response.setHeader('Allow', allow)
    if (request.method === 'OPTIONS') answerNothing(callOf(response))
    else next(refuse('METHOD_NOT_ALLOWED', `This path takes ${allow}.`))
  }
}

const notFound: RequestHandler = (_request, _response, next) => {
  next(refuse('NOT_FOUND', 'There is nothing at this path; GET /openapi.json lists all that there is.'))
}
