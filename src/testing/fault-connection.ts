// One connection through the fault proxy: a client's socket, the one to Redis, and the fault that is upon them.
import type { Socket } from 'node:net'
import { type Fault, type FaultOrMode, readFault } from './fault.js'
import { FaultLane, type Pace } from './fault-lane.js'

/** A connection through the proxy, open until one of its ends or a fault has closed it. */
export interface FaultConnection {
  /** Counted from 1, in the order they came. */
  readonly id: number
  readonly isOpen: boolean
  /** Bytes the client has sent and been sent so far. */
  readonly requestBytes: number
  readonly replyBytes: number
  /** Puts a fault on this connection alone. */
  set(fault: FaultOrMode): void
}

/** Says whether the reply to this request is to be lost; counts it when it is. */
export type LosesReply = (request: Buffer) => boolean

export interface ConnectionEvents {
  readonly onCut: () => void
  readonly onLostReply: () => void
  readonly onClose: () => void
}

/** How `set` of the proxy reads one fault for many connections: they share its count of lost replies. */
export interface SharedFault {
  readonly fault: Fault
  readonly losesReply: LosesReply
}

export function shareFault(given: FaultOrMode): SharedFault {
  const fault = readFault(given)
  if (fault.mode !== 'dropReply') return { fault, losesReply: () => false }
  const { matching = '', every = 1, count = Number.POSITIVE_INFINITY } = fault
  const text = matching.toLowerCase()
  let [seen, lost] = [0, 0]
  const losesReply = (request: Buffer) => {
    if (lost >= count || !request.toString('latin1').toLowerCase().includes(text)) return false
    seen++
    if (seen % every !== 0) return false
    lost++
    return true
  }
  return { fault, losesReply }
}

export class ProxiedConnection implements FaultConnection {
  readonly id: number
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #requests: FaultLane
  readonly #replies: FaultLane
  readonly #events: ConnectionEvents
  #shared: SharedFault = shareFault('pass')
  #losesNext = false
  #bytesLeft = Number.POSITIVE_INFINITY
  #isOpen = true
  requestBytes = 0
  replyBytes = 0

  constructor(id: number, client: Socket, upstream: Socket, events: ConnectionEvents) {
    this.id = id
    this.#client = client
    this.#upstream = upstream
    this.#events = events
    this.#requests = new FaultLane(client, upstream)
    this.#replies = new FaultLane(upstream, client)
    for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', () => this.#endOf(socket))
    client.on('data', (bytes) => this.#request(bytes)).on('close', () => this.#endOf(client))
    upstream.on('data', (bytes) => this.#reply(bytes)).on('close', () => this.#endOf(upstream))
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  set(fault: FaultOrMode): void {
    this.apply(shareFault(fault))
  }

  apply(shared: SharedFault): void {
    const { fault } = shared
    this.#shared = shared
    this.#losesNext = false
    this.#bytesLeft = fault.mode === 'cut' ? (fault.afterBytes ?? 0) : Number.POSITIVE_INFINITY
    const pace = paceOf(fault)
    this.#requests.setPace(pace)
    this.#replies.setPace(pace)
    if (this.#bytesLeft === 0) this.#cut()
    for (const socket of [this.#client, this.#upstream]) if (socket.destroyed) this.#endOf(socket)
  }

  /** Frees both sockets, whatever is on its way. */
  destroy(): void {
    this.#client.destroy()
    this.#upstream.destroy()
    this.#close()
  }

  #request(bytes: Buffer): void {
    if (!this.#isOpen) return
    this.requestBytes += bytes.length
    if (this.#shared.losesReply(bytes)) this.#losesNext = true
    this.#pass(bytes, 'requests', this.#requests)
  }

  #reply(bytes: Buffer): void {
    if (!this.#isOpen) return
    this.replyBytes += bytes.length
    if (this.#losesNext) {
      this.#events.onLostReply()
      this.#cut()
    } else this.#pass(bytes, 'replies', this.#replies)
  }

  #pass(bytes: Buffer, way: 'requests' | 'replies', lane: FaultLane): void {
    const { fault } = this.#shared
    const isCounted = fault.mode === 'cut' && (fault.of ?? 'replies') === way
    const part = isCounted ? bytes.subarray(0, this.#bytesLeft) : bytes
    lane.push(part)
    if (isCounted) this.#bytesLeft -= part.length
    if (this.#bytesLeft === 0) this.#cut()
  }

  // What was written to a socket still arrives before its end; what was held back is lost.
  #cut(): void {
    if (!this.#isOpen) return
    this.#events.onCut()
    this.#client.destroySoon()
    this.#upstream.destroySoon()
    this.#close()
  }

  // A silence keeps the end from the other side too, until another fault is set.
  #endOf(socket: Socket): void {
    if (!this.#isOpen || this.#shared.fault.mode === 'silent') return
    const lane = socket === this.#client ? this.#requests : this.#replies
    lane.end(() => this.#close())
  }

  #close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#requests.close()
    this.#replies.close()
    this.#events.onClose()
  }
}

function paceOf(fault: Fault): Pace {
  if (fault.mode === 'silent') return 'shut'
  if (fault.mode !== 'throttle') return 'open'
  return { bytesPerSecond: fault.bytesPerSecond ?? Number.POSITIVE_INFINITY, delayMs: fault.delayMs ?? 0 }
}
