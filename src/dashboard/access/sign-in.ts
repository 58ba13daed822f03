// Who may enter, and with which role: tokens compared, failed attempts counted, sessions told from forgeries; or what a
// trusted proxy or the app around says. Without any of these only this machine may. The pages that use it are
// pages/sign-in.ts and pages/sign-out.ts; the gate is in gates.ts.
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import { type Access, type AccessList, isRole, ROLES, type Role, roleOfToken } from '../../ledger/index.js'
import { addressOwner, hostOf, isLoopbackHost } from '../addresses.js'
import type { Person } from './person.js'
import type { ReadProxyUser } from './proxy-user.js'
import { readCookies, SESSION_MS, SETTINGS_TOKEN, Sessions, sessionCookie } from './session.js'
import { SignInLimit } from './sign-in-limit.js'
import type { SignedOut } from './signed-out.js'

/** Who entered, or why nobody did. */
export type Entry = Person | Refused
export type Refused = 'sign-in needed' | 'not from this machine' | 'not let in' | 'no role' | Throttled

export interface Throttled {
  readonly retryAfterSeconds: number
}

/** What the app around says of who asks. */
export interface Authorized {
  /** As the audit list shows it: 1 to 100 characters. */
  readonly name: string
  readonly role: Role
}

/** Tells who asks by the app's own means, such as its session; nothing for whoever must not see the dashboard. */
export type Authorize = (
  request: IncomingMessage,
) => Authorized | null | undefined | false | Promise<Authorized | null | undefined | false>

export interface SignInParts {
  readonly token: string | undefined
  readonly authorize: Authorize | undefined
  readonly readProxyUser: ReadProxyUser | undefined
  /** Undefined: no tokens but that of the settings. */
  readonly accessList: AccessList | undefined
  readonly signedOut: SignedOut
  readonly prefix: string
}

// Any of these says that a proxy passed the request on, so that its loopback address proves nothing.
const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via']
const PERSON_NAME = /^[^\p{Cc}]{1,100}$/u

export class SignIn {
  /** Whether people sign in here with a token. */
  readonly hasForm: boolean
  readonly #parts: SignInParts
  readonly #tokenDigest: Buffer
  readonly #sessions: Sessions
  readonly #limit = new SignInLimit()

  constructor(parts: SignInParts) {
    this.#parts = parts
    this.hasForm = parts.token !== undefined
    this.#tokenDigest = digest(parts.token ?? '')
    this.#sessions = new Sessions(parts.token ?? '', parts.prefix)
  }

  async entryOf(request: Request): Promise<Entry> {
    const { authorize, readProxyUser } = this.#parts
    if (authorize !== undefined) return askApp(authorize, request)
    const user = readProxyUser?.(request)
    if (user !== undefined) return user === 'none' ? 'no role' : user
    if (this.hasForm) return this.#entryByToken(request)
    if (readProxyUser !== undefined) return 'not let in'
    return isFromThisMachine(request) ? { name: 'local', role: 'admin', by: 'machine' } : 'not from this machine'
  }

  async #entryByToken(request: Request): Promise<Entry> {
    const bearer = bearerToken(request)
    if (bearer === undefined) return (await this.sessionOf(request)) ?? 'sign-in needed'
    const outcome = await this.tryToken(request, bearer)
    if (outcome === 'wrong') return 'sign-in needed'
    return 'access' in outcome ? personOf(outcome.access, 'token') : outcome
  }

  /** Whoever is signed in by a cookie; their token may have been revoked since. */
  async sessionOf(request: Request): Promise<Person | undefined> {
    const now = Date.now()
    for (const session of sessionsOf(request)) {
      const read = await this.#sessions.read(session, now)
      if (read === undefined || (await this.#parts.signedOut.has(read))) continue
      const isOfSettings = read.tokenId === SETTINGS_TOKEN
      const access = isOfSettings ? SETTINGS_ACCESS : await this.#parts.accessList?.findId(read.tokenId)
      const person = access ? personOf(access, 'session') : undefined
      if (typeof person === 'object') return person
    }
    return undefined
  }

  /** Compares a token in constant time and counts a wrong one. A throttled address learns nothing, not even of the right one. */
  async tryToken(request: Request, candidate: string): Promise<'wrong' | Throttled | { readonly access: Access }> {
    const owner = addressOwner(request.ip ?? '')
    const waitMs = this.#limit.waitMs(owner, performance.now())
    if (waitMs > 0) return { retryAfterSeconds: Math.ceil(waitMs / 1000) }
    if (this.hasForm && timingSafeEqual(digest(candidate), this.#tokenDigest)) {
      this.#limit.clear(owner)
      return { access: SETTINGS_ACCESS }
    }
    // Only the token of the settings may be short enough to guess; guesses at it are judged one after the other, above.
    const access = this.hasForm ? await this.#parts.accessList?.find(candidate) : undefined
    if (access !== undefined) return { access }
    this.#limit.addFailure(owner, performance.now())
    return 'wrong'
  }

  /** The Set-Cookie header that starts a session. */
  async startCookie(request: Request, basePath: string, access: Access): Promise<string> {
    const { name, attributes } = sessionCookie(request.secure, basePath)
    const session = await this.#sessions.create(access.id, Date.now())
    return `${name}=${session}; Max-Age=${SESSION_MS / 1000}; ${attributes}`
  }

  /** Ends the request's sessions, and gives the Set-Cookie header that removes the cookie. */
  async endCookie(request: Request, basePath: string): Promise<string> {
    const now = Date.now()
    // Without a token there are no sessions, and anybody could sign one: it must take no room of those that were ended.
    for (const session of this.hasForm ? sessionsOf(request) : []) {
      const read = await this.#sessions.read(session, now)
      if (read !== undefined) await this.#parts.signedOut.add(read, now)
    }
    const { name, attributes } = sessionCookie(request.secure, basePath)
    return `${name}=; Max-Age=0; ${attributes}`
  }
}

const SETTINGS_ACCESS: Access = {
  id: SETTINGS_TOKEN,
  name: 'admin',
  scopes: ['admin'],
  jobs: undefined,
  queues: undefined,
  expiresAt: undefined,
}

/** The person behind a token, or that it gives no role here. */
export function personOf(access: Access, by: 'session' | 'token'): Person | 'no role' {
  const role = roleOfToken(access)
  return role === undefined ? 'no role' : { name: access.name, role, by }
}

async function askApp(authorize: Authorize, request: Request): Promise<Entry> {
  const authorized = await authorize(request)
  if (!authorized) return 'not let in'
  const { name, role } = authorized
  if (typeof name !== 'string' || !PERSON_NAME.test(name) || !isRole(role)) {
    const expected = `{ name, role } with a name of 1 to 100 characters and a role of ${ROLES.join(', ')}, or nothing`
    // The app's own mistake, not of who asks: it goes to the log, and the page says no more than that.
    throw new TypeError(`the answer of authorize must be ${expected}`)
  }
  return { name, role, by: 'app' }
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
