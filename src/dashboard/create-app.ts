// The express application of the dashboard: what every request passes on its way to a page, in order.
import express, { type Express, type RequestHandler } from 'express'
import { methodNotAllowed, notFound, refuseChanges, requireRole, requireSignIn } from './access/gates.js'
import { boardActions } from './board/board-actions.js'
import type { Board } from './bull-board.js'
import { untilConnected } from './connection.js'
import type { CheckedOptions } from './options.js'
import { answerError } from './problems.js'
import { refuseBadQuery } from './query-rules.js'
import { requestLog } from './request-log.js'
import { ROUTES, type Route } from './routes.js'
import { onlySameOrigin, pageHeaders } from './security.js'
import type { Shared } from './shared.js'
import { BOARD_PATH, startVisit } from './visit.js'

const MAX_FORM_BYTES = 4_096
const MAX_FORM_FIELDS = 10

export function createApp(options: CheckedOptions, shared: Shared, board: Board): Express {
  const app = express()
  app.disable('x-powered-by')
  // Paths match exactly: `/LIVEZ` and `/livez/` are other paths, which need a sign-in.
  app.enable('case sensitive routing')
  app.enable('strict routing')
  // Left alone otherwise: below another app, express takes what that one trusts.
  if (options.trustProxy > 0) app.set('trust proxy', options.trustProxy)

  app.use(requestLog(options.logger), startVisit(options), pageHeaders, onlySameOrigin)
  for (const route of ROUTES) addRoute(app, route, shared, options.readOnly)
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    app.all(path, methodNotAllowed(ROUTES.filter((route) => route.path === path).map((route) => route.method)))
  }
  app.use(requireSignIn(shared.signIn))
  app.use(BOARD_PATH, refuseChanges(options.readOnly), boardActions(shared), board.router)
  app.use(notFound)
  app.use(answerError)
  return app
}

// A dashboard that has just been started is about to have its connection.
function whenConnected(client: Shared['client']): RequestHandler {
  return (_request, _response, next) => {
    untilConnected(client).then(() => next(), next)
  }
}

function addRoute(app: Express, route: Route, shared: Shared, isReadOnly: boolean): void {
  const gates = [
    ...(route.role === 'none' ? [] : [requireSignIn(shared.signIn)]),
    ...(route.role === 'none' ? [] : [whenConnected(shared.client)]),
    ...(route.changes === 'jobs' ? [refuseChanges(isReadOnly)] : []),
    ...(route.role === 'none' ? [] : [requireRole(route.role)]),
    ...(route.query === undefined ? [] : [refuseBadQuery(route.query)]),
    ...(route.method === 'POST'
      ? [
          express.urlencoded({
            extended: false,
            limit: route.maxBytes ?? MAX_FORM_BYTES,
            parameterLimit: route.maxFields ?? MAX_FORM_FIELDS,
          }),
        ]
      : []),
  ]
  const method = route.method === 'GET' ? 'get' : 'post'
  app[method](route.path, ...gates, (request, response) => route.page(request, response, shared))
}
