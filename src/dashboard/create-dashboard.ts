// One dashboard from start to end: its connections, its application, its server.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import { ClosedError, flushThrottled, InvalidOptionError, PortInUseError } from '../job/index.js'
import { AccessList } from '../ledger/index.js'
import { notFound } from './access/gates.js'
import { SignIn } from './access/sign-in.js'
import { SignedOut } from './access/signed-out.js'
import { createBoard } from './bull-board.js'
import { openConnection, untilConnected } from './connection.js'
import { createApp } from './create-app.js'
import { FailedJobs } from './errors/failed-jobs.js'
import { JobNames } from './jobs/job-names.js'
import { JobRooms } from './jobs/job-rooms.js'
import { Live } from './live.js'
import { type CheckedOptions, checkOptions, type DashboardOptions } from './options.js'
import { OverviewSource } from './overview-source.js'
import { requestLog } from './request-log.js'
import { pageHeaders } from './security.js'
import { startVisit } from './visit.js'

/**
 * A dashboard: a request handler, for `app.use('/admin/jobs', createDashboard({…}))` in an express application, and a server
 * of its own with `listen`.
 */
export interface Dashboard {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void
  /** The same handler, as the express application that it is. */
  readonly app: Express
  /**
   * Serves the dashboard on `host` and `port`. A second call gives the same answer.
   * @throws PortInUseError, InvalidOptionError when the host or port cannot be bound; nothing listens then
   * @throws ClosedError after `close`
   */
  listen(): Promise<Listening>
  /** Ends requests, server and connections; the second call waits for the first. */
  close(): Promise<void>
}

export interface Listening {
  /** Where a browser on this machine finds it, without a slash at the end. */
  readonly url: string
  readonly port: number
}

// A delete of many jobs in bull-board is one command that takes its time.
const BOARD_TIMEOUT_MS = 15_000
/** How long a request that is being answered may go on after `close`. */
const CLOSE_GRACE_MS = 2_000

/**
 * A dashboard over the queues, results and counters of one prefix. It connects to Redis at once, and goes on trying while
 * Redis is down: its pages stay up and say so.
 * @throws UnknownOptionError, InvalidOptionError, InvalidPrefixError, RedisUrlError for wrong options, and
 *   TokenRequiredError for a host that other machines reach without a token; nothing is opened then
 */
export function createDashboard(given: DashboardOptions = {}): Dashboard {
  const options = checkOptions(given)
  const { redis, prefix, timeoutMs, readOnly, redact, logger, token, authorize, readProxyUser } = options
  const client = openConnection(redis, timeoutMs, logger)
  const boardTimeoutMs = Math.max(BOARD_TIMEOUT_MS, timeoutMs)
  const boardClient = openConnection(redis, boardTimeoutMs, undefined)
  const { contracts, producer, traceUrl } = options
  const overview = new OverviewSource({ client, prefix, redis, redact, timeoutMs })
  const minutesOf = (queue: string, nowMs: number) => overview.minutesOf(queue, nowMs)
  const board = createBoard({ client: boardClient, prefix, readOnly, redact, contracts, producer, logger, minutesOf })
  const accessList = new AccessList((_operation, command) => untilConnected(client).then(command), {
    client,
    prefix,
    adminToken: undefined,
  })
  const signedOut = new SignedOut(client, prefix)
  const signIn = new SignIn({ token, authorize, readProxyUser, accessList, signedOut, prefix })
  const live = new Live(signIn)
  const failedJobs = new FailedJobs(() => openConnection(redis, boardTimeoutMs, undefined), prefix, logger)
  const rooms = new JobRooms(client, prefix)
  const jobNames = new JobNames(client, prefix)
  const shared = {
    client,
    prefix,
    redis,
    redact,
    timeoutMs,
    overview,
    signIn,
    live,
    failedJobs,
    jobNames,
    rooms,
    contracts,
    producer,
    traceUrl,
    logger,
  }
  const app = createApp(options, shared, board)
  const server = createServer(serveBelow(options, app))
  let listening: Promise<Listening> | undefined
  let closing: Promise<void> | undefined

  async function listen(): Promise<Listening> {
    if (closing !== undefined) throw new ClosedError('dashboard')
    listening ??= bind(server, options).then(
      (bound) => {
        void overview.warm()
        return bound
      },
      (error: unknown) => {
        listening = undefined
        throw error
      },
    )
    return listening
  }

  async function close(): Promise<void> {
    // A server that is just being bound is there only then; one that could not be bound has told whoever called.
    await listening?.catch(() => undefined)
    live.close()
    await endServer(server)
    await failedJobs.close()
    await board.close()
    await rooms.close()
    for (const connection of [client, boardClient]) connection.disconnect()
    if (logger) flushThrottled(logger)
  }

  const closeOnce = () => {
    closing ??= close()
    return closing
  }
  return Object.assign(app, { app, listen, close: closeOnce }) as unknown as Dashboard
}

// Everything outside the base path is not ours, and still answered in our words; `beside` comes before the pages.
function serveBelow(options: CheckedOptions, app: Express): Express {
  const { basePath, beside, trustProxy } = options
  if (basePath === '' && beside === undefined) return app
  const outer = express()
  outer.disable('x-powered-by')
  if (trustProxy > 0) outer.set('trust proxy', trustProxy)
  if (beside !== undefined) outer.use(basePath || '/', beside)
  outer.use(basePath || '/', app)
  if (basePath === '') return outer
  outer.use(requestLog(options.logger), startVisit(options), pageHeaders, notFound)
  return outer
}

async function bind(server: Server, { host, port, basePath }: CheckedOptions): Promise<Listening> {
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException) => reject(bindError(error, host, port))
    server.once('error', refuse)
    server.listen(port, host, () => {
      server.off('error', refuse)
      resolve()
    })
  })
  const bound = server.address() as AddressInfo
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return { url: `http://${name}:${bound.port}${basePath}`, port: bound.port }
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') return new PortInUseError(port, { cause: error })
  if (error.code === 'EACCES') {
    return new InvalidOptionError('port', 'a port that this user may listen on, such as 3768', port, { cause: error })
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN') {
    return new InvalidOptionError('host', 'an address of this machine, such as 127.0.0.1', host, { cause: error })
  }
  return error
}

async function endServer(server: Server): Promise<void> {
  if (!server.listening) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
