// bull-board, the browser of queues and jobs, below BOARD_PATH: which queues it has, how it looks, how it fails. Sign-in,
// same-origin and read-only mode stand before it, in create-app.ts.
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { createBullBoard } from '@bull-board/api'
import type { AppViewRoute, UIConfig } from '@bull-board/api/typings/app'
import { ExpressAdapter } from '@bull-board/express'
import { Queue } from 'bullmq'
import express, { type RequestHandler, Router } from 'express'
import type { Logger } from 'pino'
import { bareRedisError, queueTag, type RedisClient } from '../redis/index.js'
import { addThroughProducer } from './board/board-add.js'
import { boardHistory } from './board/board-history.js'
import type { HourReads } from './board/board-hours.js'
import { boardLinks, offerByRole } from './board/board-offers.js'
import { CountingQueue, tellRetried } from './board/board-tally.js'
import { cutLargeTexts, cutValue } from './bull-board-cut.js'
import { fillBoardPage, readBoardPage } from './bull-board-page.js'
import { refuseStrange } from './bull-board-requests.js'
import { untilConnected } from './connection.js'
import { MAX_QUEUES, readQueueNames } from './overview-data.js'
import { answerProblem } from './problems.js'
import type { Redact } from './redact.js'
import { boardHeaders } from './security.js'
import type { Shared } from './shared.js'
import { BOARD_PATH, visitOf } from './visit.js'

export interface BoardOptions extends Pick<Shared, 'contracts' | 'producer'> {
  readonly client: RedisClient
  readonly prefix: string
  readonly readOnly: boolean
  readonly redact: Redact
  readonly logger: Logger | undefined
  /** The minutes of the last hour of a queue, as the overview has them. */
  readonly minutesOf: HourReads['minutesOf']
}

export interface Board {
  readonly router: Router
  close(): Promise<void>
}

/** How often the set of queues is looked at, at most, and only while somebody uses the board. */
const QUEUES_FRESH_MS = 3_000
const POLLING_SECONDS = 5
/** The largest input a contract allows by default is 256 KB; a job that is added here has options around it. */
const MAX_BODY_BYTES = 512 * 1024

const SYSTEM_FONTS = {
  'font-sans': 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
  'font-mono': 'ui-monospace, SFMono-Regular, Menlo, Consolas, monospace',
}
const UI_CONFIG: UIConfig = {
  boardTitle: 'Drover',
  hideDocsLink: true,
  hideRedisDetails: true,
  // It would ask Redis for a list of all its clients per queue, at every poll.
  showWorkers: false,
  pollingInterval: { showSetting: false, forceInterval: POLLING_SECONDS },
  sortQueues: true,
  theme: { light: SYSTEM_FONTS, dark: SYSTEM_FONTS },
}

export function createBoard(options: BoardOptions): Board {
  const uiPath = dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json'))
  const adapter = new BoardAdapter(readBoardPage(uiPath))
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: {
      uiBasePath: uiPath,
      uiConfig: UI_CONFIG,
      historyProvider: boardHistory(options),
      handlerHooks: { after: async (context, result) => tellRetried(context, await cutLargeTexts(context, result)) },
    },
  })
  const queues = new Map<string, Queue>()
  let freshUntil = 0

  async function refreshQueues(): Promise<void> {
    if (performance.now() < freshUntil) return
    await untilConnected(options.client)
    const names = (await readQueueNames(options.client, options.prefix)).slice(0, MAX_QUEUES)
    for (const name of names) {
      if (queues.has(name)) continue
      const queue = openQueue(name, options)
      queues.set(name, queue)
      board.addQueue(showQueue(queue, options))
    }
    for (const [name, queue] of queues) {
      if (names.includes(name)) continue
      queues.delete(name)
      board.removeQueue(name)
      await queue.close()
    }
    freshUntil = performance.now() + QUEUES_FRESH_MS
  }

  const router = Router()
  router.use(boardHeaders)
  router.use('/static', cacheStatics)
  router.use('/api', onlyJson, express.json({ limit: MAX_BODY_BYTES }), (_request, _response, next) => {
    refreshQueues().then(() => next(), next)
  })
  router.use('/api', offerByRole, refuseStrange(options))
  router.post('/api/queues/:queue/add', addThroughProducer(options))
  router.use(adapter.getRouter() as RequestHandler)
  return {
    router,
    close: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()))
    },
  }
}

function openQueue(name: string, { client, prefix, logger }: BoardOptions): Queue {
  const queue = new Queue(name, {
    connection: client,
    prefix: queueTag(prefix, name),
    // Looking at a queue writes nothing into it.
    skipMetasUpdate: true,
    // It asks for INFO once, and a queue whose one call fails never works again.
    skipVersionCheck: true,
  })
  queue.on('error', (error) => logger?.debug({ queue: name, err: bareRedisError(error) }, 'bull-board lost Redis'))
  return queue
}

function showQueue(queue: Queue, { readOnly, redact }: BoardOptions): CountingQueue {
  const shown = new CountingQueue(queue, {
    readOnlyMode: readOnly,
    // Below the page's <base>, so that it holds under any base path.
    externalJobUrl: ({ id }) => ({
      href: `../results/${encodeURIComponent(queue.name)}/${encodeURIComponent(String(id))}`,
      displayText: 'Open in Drover',
    }),
  })
  shown.setFormatter('data', (data) => cutValue(redact('input', data)))
  shown.setFormatter('returnValue', (value) => cutValue(redact('result', value)))
  shown.setFormatter('progress', cutValue)
  return shown
}

// A page of another site can have text posted, but not JSON, without asking first. A body of no type is not read at all.
const onlyJson: RequestHandler = (request, response, next) => {
  if (request.headers['content-type'] === undefined || request.is('application/json') !== false) return next()
  const message = 'Send the body as JSON, with Content-Type: application/json.'
  answerProblem(request, response, { status: 415, code: 'NOT_JSON', message })
}

const cacheStatics: RequestHandler = (_request, response, next) => {
  response.setHeader('Cache-Control', 'private, max-age=3600')
  next()
}

/** bull-board's own adapter for express, with our page and our way of failing in place of its own. */
class BoardAdapter extends ExpressAdapter {
  readonly #template: string

  constructor(template: string) {
    super()
    this.#template = template
    this.app.disable('x-powered-by')
  }

  override setEntryRoute(route: AppViewRoute): this {
    this.app.get(route.route, (_request, response) => {
      const visit = visitOf(response)
      const { base, person } = visit
      const icon = `${base}/assets/drover.svg`
      const page = fillBoardPage(this.#template, {
        basePath: `${base}${BOARD_PATH}/`,
        title: 'Queues · Drover',
        uiConfig: { ...this.uiConfig, miscLinks: boardLinks(visit), boardLogo: { path: icon, width: 22, height: 22 } },
        favIconDefault: icon,
        favIconAlternative: icon,
        styles: `${base}/assets/board.css`,
        role: person?.role ?? 'none',
      })
      response.type('html').send(page)
    })
    return this
  }

  // Its own handler would send the text of whatever was thrown; thrown again, it reaches answerError of problems.ts.
  override setErrorHandler(): this {
    this.errorHandler = (error) => {
      throw error
    }
    return this
  }
}
