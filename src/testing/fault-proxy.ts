// The fault proxy of `drover/testing`: stands before a test's Redis and does to connections what networks do. Its faults
// are described in fault.ts and carried out in fault-connection.ts.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { InvalidOptionError } from '../job/index.js'
import { parseRedisUrl } from '../redis/index.js'
import type { FaultOrMode } from './fault.js'
import { type FaultConnection, ProxiedConnection, type SharedFault, shareFault } from './fault-connection.js'

export interface FaultProxyOptions {
  /** The Redis it stands before: `redis://…`, or any other scheme with one host, on this machine. */
  readonly target: string
}

export interface FaultProxy {
  /** `target` with the proxy's address in place of its own: sign-in and database stay. */
  readonly url: string
  /** On 127.0.0.1. */
  readonly port: number
  /** Those open now, oldest first. */
  readonly connections: readonly FaultConnection[]
  /** How many connections came, were cut by a fault, and lost a reply by one, since the start. */
  readonly counts: { readonly accepted: number; readonly cut: number; readonly lostReplies: number }
  /**
   * Puts a fault on connections, in place of the one before. `all`, the default: those open and those to come.
   * `open`: only those open now; those to come are treated as before. @throws InvalidOptionError
   */
  set(fault: FaultOrMode, scope?: 'all' | 'open'): void
  /** Ends every connection and frees the port. Can be called again. */
  close(): Promise<void>
}

const HOST = '127.0.0.1'
const LOOPBACK = ['127.0.0.1', 'localhost', '::1']
// More than any test opens: a client that reconnects in a loop against a silent proxy must not fill the machine.
const MAX_CONNECTIONS = 1_000

/**
 * Starts a proxy on a free port of 127.0.0.1 that passes everything until a fault is set. It keeps the process alive
 * until close(). Connections over 1,000 are refused. @throws InvalidOptionError when `target` is not on this machine
 */
export async function startFaultProxy({ target }: FaultProxyOptions): Promise<FaultProxy> {
  const { host, port: targetPort } = readTarget(target)
  const connections = new Set<ProxiedConnection>()
  const counts = { accepted: 0, cut: 0, lostReplies: 0 }
  let current: SharedFault = shareFault('pass')

  const server = createServer((client) => {
    // A socket without one ends the process on its first error.
    client.on('error', () => undefined)
    if (connections.size >= MAX_CONNECTIONS) return client.destroy()
    counts.accepted++
    const connection: ProxiedConnection = new ProxiedConnection(counts.accepted, client, connect(targetPort, host), {
      onCut: () => void counts.cut++,
      onLostReply: () => void counts.lostReplies++,
      onClose: () => void connections.delete(connection),
    })
    connections.add(connection)
    connection.apply(current)
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address with a port')
  let closing: Promise<unknown> | undefined
  return {
    url: urlAt(target, address.port),
    port: address.port,
    get connections() {
      return [...connections]
    },
    counts,
    set: (given, scope = 'all') => {
      const shared = shareFault(given)
      if (scope === 'all') current = shared
      for (const connection of [...connections]) connection.apply(shared)
    },
    close: async () => {
      closing ??= once(server.close(), 'close')
      for (const connection of [...connections]) connection.destroy()
      await closing
    },
  }
}

function readTarget(target: string): { host: string; port: number } {
  const settings = parseRedisUrl(target)
  if (settings.kind !== 'single' || settings.path !== undefined || !LOOPBACK.includes(settings.host)) {
    throw new InvalidOptionError('target', `the URL of one Redis at ${LOOPBACK.join(', ')}`, 'another address')
  }
  return settings
}

function urlAt(target: string, port: number): string {
  const url = new URL(target)
  url.hostname = HOST
  url.port = `${port}`
  return url.href
}
