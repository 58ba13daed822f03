// Who may enter: the token compared, failed attempts counted, sessions told from forgeries. Without a token only this
// machine may. The pages that use it are pages/sign-in.ts and pages/sign-out.ts; the gate is in gates.ts.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request } from 'express'
import { addressOwner, hostOf, isLoopbackHost } from './addresses.js'
import { readCookies, SESSION_MS, Sessions, sessionCookie } from './session.js'
import { SignInLimit } from './sign-in-limit.js'

/** Whether a request may enter, and if not, what would help. */
export type Entry = 'granted' | 'sign-in needed' | 'not from this machine' | Throttled

export interface Throttled {
  readonly retryAfterSeconds: number
}

// Any of these says that a proxy passed the request on, so that its loopback address proves nothing.
const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via']

export class SignIn {
  /** False when the dashboard has no token. */
  readonly isNeeded: boolean
  readonly #tokenDigest: Buffer
  readonly #sessions: Sessions
  readonly #limit = new SignInLimit()

  constructor(token: string | undefined) {
    this.isNeeded = token !== undefined
    this.#tokenDigest = digest(token ?? '')
    this.#sessions = new Sessions(token ?? '')
  }

  entryOf(request: Request): Entry {
    if (!this.isNeeded) return isFromThisMachine(request) ? 'granted' : 'not from this machine'
    const bearer = bearerToken(request)
    if (bearer !== undefined) {
      const outcome = this.tryToken(request, bearer)
      return outcome === 'wrong' ? 'sign-in needed' : outcome === 'right' ? 'granted' : outcome
    }
    return this.hasSession(request) ? 'granted' : 'sign-in needed'
  }

  hasSession(request: Request): boolean {
    const now = Date.now()
    return sessionsOf(request).some((session) => this.#sessions.isValid(session, now))
  }

  /** Compares a token in constant time and counts a wrong one. A throttled address learns nothing, not even of the right one. */
  tryToken(request: Request, candidate: string): 'right' | 'wrong' | Throttled {
    const owner = addressOwner(request.ip ?? '')
    const now = performance.now()
    const waitMs = this.#limit.waitMs(owner, now)
    if (waitMs > 0) return { retryAfterSeconds: Math.ceil(waitMs / 1000) }
    if (this.isNeeded && timingSafeEqual(digest(candidate), this.#tokenDigest)) {
      this.#limit.clear(owner)
      return 'right'
    }
    this.#limit.addFailure(owner, now)
    return 'wrong'
  }

  /** The Set-Cookie header that starts a session. */
  startCookie(request: Request, basePath: string): string {
    const { name, attributes } = sessionCookie(request.secure, basePath)
    return `${name}=${this.#sessions.create(Date.now())}; Max-Age=${SESSION_MS / 1000}; ${attributes}`
  }

  /** Ends the request's sessions, and gives the Set-Cookie header that removes the cookie. */
  endCookie(request: Request, basePath: string): string {
    const now = Date.now()
    for (const session of sessionsOf(request)) this.#sessions.end(session, now)
    const { name, attributes } = sessionCookie(request.secure, basePath)
    return `${name}=; Max-Age=0; ${attributes}`
  }
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(request: Request): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1]
}

// The Host header is checked against DNS rebinding: a foreign page whose name was pointed at this machine keeps its name.
function isFromThisMachine(request: Request): boolean {
  const { host = '' } = request.headers
  const isDirect = !FORWARDING_HEADERS.some((name) => request.headers[name] !== undefined)
  return isDirect && isLoopbackHost(request.socket.remoteAddress ?? '') && isLoopbackHost(hostOf(host))
}

function sessionsOf(request: Request): string[] {
  return readCookies(request.headers.cookie, sessionCookie(request.secure, '').name)
}

// timingSafeEqual takes equal lengths only, which digests have; the length of the token stays secret too.
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
