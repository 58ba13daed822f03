// What a fault proxy can do to a connection: the faults as users write them, and their check. fault-connection.ts does it.
import { InvalidOptionError } from '../job/index.js'

/**
 * - `pass`: everything goes through.
 * - `silent`: connections stay open and new ones are taken, but nothing goes through either way, not even the end of a
 *   connection: as behind a cable that was pulled (half-open). What was held goes through when the fault ends.
 * - `dropReply`: requests reach Redis; the reply to one is lost, and its connection is cut.
 * - `cut`: connections are cut, and new ones as they come; with `afterBytes`, in the middle of a request or a reply.
 * - `throttle`: everything goes through, late or slowly.
 */
export type Fault = { readonly mode: 'pass' } | { readonly mode: 'silent' } | DropReplyFault | CutFault | ThrottleFault

export interface DropReplyFault {
  readonly mode: 'dropReply'
  /** Only replies to requests that contain this text, as in `EVALSHA`; case does not matter. Default: to any request. */
  readonly matching?: string
  /** Only every so many of these requests, counted over all connections. Default 1: each. */
  readonly every?: number
  /** So many replies in all, then everything passes. Default: no limit. */
  readonly count?: number
}

export interface CutFault {
  readonly mode: 'cut'
  /** Cuts a connection when so many more bytes have gone through it. Default 0: at once. */
  readonly afterBytes?: number
  /** Which bytes count. Default `replies`. */
  readonly of?: 'requests' | 'replies'
}

export interface ThrottleFault {
  readonly mode: 'throttle'
  /** For each connection and each way. Default: no limit. */
  readonly bytesPerSecond?: number
  /** How much later everything arrives, each way. Default 0. */
  readonly delayMs?: number
}

/** A fault, or its name alone where its defaults will do. */
export type FaultOrMode = Fault | Fault['mode']

const MODES: readonly Fault['mode'][] = ['pass', 'silent', 'dropReply', 'cut', 'throttle']

/** @throws InvalidOptionError */
export function readFault(given: FaultOrMode): Fault {
  const fault: Fault = typeof given === 'string' ? { mode: given } : given
  if (!MODES.includes(fault?.mode)) throw new InvalidOptionError('mode', `one of ${MODES.join(', ')}`, fault?.mode)
  if (fault.mode === 'dropReply') {
    checkNumber('every', fault.every, 1)
    if (fault.count !== Number.POSITIVE_INFINITY) checkNumber('count', fault.count, 0)
  }
  if (fault.mode === 'cut') {
    checkNumber('afterBytes', fault.afterBytes, 0)
    const { of = 'replies' } = fault
    if (of !== 'requests' && of !== 'replies') throw new InvalidOptionError('of', 'requests or replies', of)
  }
  if (fault.mode === 'throttle') {
    checkNumber('bytesPerSecond', fault.bytesPerSecond, 1)
    checkNumber('delayMs', fault.delayMs, 0)
  }
  return fault
}

function checkNumber(option: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return
  throw new InvalidOptionError(option, `a whole number from ${least}`, value)
}
