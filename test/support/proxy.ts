// A TCP proxy in front of a test's Redis that can lose replies, fall silent or cut connections, as networks do.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/**
 * - `pass`: everything goes through.
 * - `silent`: connections stay open and new ones are taken, but nothing goes through either way (half-open).
 * - `dropReply`: commands reach Redis; the first reply to one sent from now on is lost, and its connection is cut.
 * - `cut`: connections are cut, and new ones are cut as they come.
 */
export type ProxyMode = 'pass' | 'silent' | 'dropReply' | 'cut'

export interface TestProxy {
  readonly port: number
  readonly url: string
  /** How many client connections are open. */
  readonly connections: number
  /** How many replies `loseReplies` has lost so far. */
  readonly lostReplies: number
  setMode(mode: ProxyMode): void
  /** Cuts every connection once; new ones pass. */
  cutOnce(): void
  /**
   * Lets the next `count` commands that contain `text` (as in `EVALSHA`, case does not matter) reach Redis, but loses
   * their replies with the connection. Everything else passes.
   */
  loseReplies(count: number, text: string): void
  close(): Promise<void>
}

interface Link {
  readonly client: Socket
  readonly upstream: Socket
  /** What arrived while the proxy was silent, to be passed on when it is not. */
  readonly held: (() => void)[]
  losesNext: boolean
}

/** Starts a proxy to a server on 127.0.0.1. Close it in `afterAll`. */
export async function startProxy(targetPort: number): Promise<TestProxy> {
  const links = new Set<Link>()
  let mode: ProxyMode = 'pass'
  let losing = { count: 0, text: '' }
  let lostReplies = 0

  const cut = (link: Link) => {
    links.delete(link)
    link.client.destroy()
    link.upstream.destroy()
  }
  const passOn = (link: Link, chunk: Buffer, to: Socket) => {
    if (mode === 'silent') link.held.push(() => to.write(chunk))
    else to.write(chunk)
  }
  const server = createServer((client) => {
    if (mode === 'cut') return client.destroy()
    const upstream = connect(targetPort, '127.0.0.1')
    const link: Link = { client, upstream, held: [], losesNext: false }
    links.add(link)
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    client.on('data', (chunk) => {
      const isMatch = losing.count > 0 && chunk.toString('latin1').toLowerCase().includes(losing.text)
      if (isMatch) losing.count--
      if (isMatch || mode === 'dropReply') link.losesNext = true
      passOn(link, chunk, upstream)
    })
    upstream.on('data', (chunk) => {
      if (!link.losesNext) return passOn(link, chunk, client)
      lostReplies++
      cut(link)
    })
    for (const socket of [client, upstream]) socket.on('error', () => cut(link)).on('close', () => cut(link))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has an address with a port')
  const cutAll = () => {
    for (const link of [...links]) cut(link)
  }
  return {
    port: address.port,
    url: `redis://127.0.0.1:${address.port}`,
    get connections() {
      return links.size
    },
    get lostReplies() {
      return lostReplies
    },
    setMode: (next) => {
      mode = next
      if (mode === 'cut') cutAll()
      if (mode === 'silent') return
      for (const link of links) for (const write of link.held.splice(0)) write()
    },
    cutOnce: cutAll,
    loseReplies: (count, text) => {
      losing = { count, text: text.toLowerCase() }
    },
    close: async () => {
      server.close()
      cutAll()
      await once(server, 'close')
    },
  }
}
