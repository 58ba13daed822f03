// `/livez`, `/readyz` and `/metrics` of a worker, on a port of its own: for orchestrators and Prometheus. It only reads, and
// tells no input, result, error or secret.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PROBLEM_TYPE, problemDocument } from '../../job/http/index.js'
import { InvalidOptionError, PortInUseError } from '../../job/index.js'
import { formatMetrics, METRICS_TYPE } from '../../ledger/index.js'
import { deadReason, type HealthQuestion, type ProcessHealth, unreadyReason } from './worker-health.js'
import { workerMetrics } from './worker-metrics.js'

export interface HealthServerOptions {
  /** Where it listens. Default 127.0.0.1, where only this machine reaches it. */
  readonly host?: string
  /** 0 takes any free port. */
  readonly port: number
  /** How the processes are doing now. */
  readonly read: (question: HealthQuestion) => Promise<readonly ProcessHealth[]>
}

export interface HealthServer {
  readonly port: number
  close(): Promise<void>
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

const JSON_TYPE = 'application/json; charset=utf-8'
/** A name or address that only this machine has, with or without a port. */
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i
const MAX_CONNECTIONS = 100
const REQUEST_TIMEOUT_MS = 10_000

/** @throws PortInUseError; InvalidOptionError when it cannot listen there */
export async function startHealthServer({
  host = '127.0.0.1',
  port,
  read,
}: HealthServerOptions): Promise<HealthServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: REQUEST_TIMEOUT_MS })
  server.maxConnections = MAX_CONNECTIONS
  server.on('request', (request, response) => void respond(request, response, read))
  await listen(server, host, port)
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  read: HealthServerOptions['read'],
): Promise<void> {
  const { status, type, body } = await answer(request, read).catch(() =>
    problem(500, 'INTERNAL', 'the health could not be read'),
  )
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function answer(request: IncomingMessage, read: HealthServerOptions['read']): Promise<Answer> {
  if (!isAskedRightly(request)) return problem(403, 'FORBIDDEN', 'this address is asked for by localhost or 127.0.0.1')
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return problem(405, 'METHOD_NOT_ALLOWED', 'only GET and HEAD')
  const path = (request.url ?? '').split('?', 1)[0]
  if (path === '/livez') return judge(await read({}), deadReason)
  if (path === '/readyz') return judge(await read({ redis: true }), unreadyReason)
  if (path !== '/metrics') return problem(404, 'NOT_FOUND', 'expected /livez, /readyz or /metrics')
  const families = workerMetrics(await read({ redis: true, depths: true }), Date.now())
  return { status: 200, type: METRICS_TYPE, body: formatMetrics(families) }
}

// A page of another site can have its own name resolve to 127.0.0.1 and so ask a server that only this machine reaches.
function isAskedRightly({ socket, headers }: IncomingMessage): boolean {
  const local = (socket.localAddress ?? '').replace(/^::ffff:/, '')
  const isLoopback = local.startsWith('127.') || local === '::1'
  return !isLoopback || LOOPBACK_HOST.test(headers.host ?? '')
}

function judge(processes: readonly ProcessHealth[], reasonOf: (process: ProcessHealth) => string | undefined): Answer {
  const problems = processes.flatMap((each) => {
    const reason = reasonOf(each)
    return reason === undefined ? [] : [{ process: each.process, reason }]
  })
  const isWell = problems.length === 0 && processes.length > 0
  const body = JSON.stringify({ status: isWell ? 'ok' : 'not ok', processes: processes.length, problems })
  return { status: isWell ? 200 : 503, type: JSON_TYPE, body }
}

function problem(status: number, code: string, detail: string): Answer {
  return { status, type: PROBLEM_TYPE, body: JSON.stringify(problemDocument({ status, code, detail })) }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen(port, host, resolve)
  })
  server.removeAllListeners('error').on('error', () => undefined)
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') return new PortInUseError(port, { cause: error })
  if (error.code === 'EACCES') {
    return new InvalidOptionError('healthPort', 'a port that this user may listen on', port, { cause: error })
  }
  return new InvalidOptionError('healthHost', 'an address of this machine, such as 127.0.0.1', host, { cause: error })
}
