// The cookie of somebody who signed in: made, read, checked and ended here. Nothing is stored for it but the ids of those
// who signed out. It holds for one process: the key is made at its start.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export const SESSION_MS = 12 * 60 * 60 * 1000
const MAX_ENDED = 10_000

/** Holder of the token of the settings, in place of the id of a token in Redis. */
export const SETTINGS_TOKEN = 'settings'
const SESSION = /^(\d{1,15})\.([\w-]{22})\.(settings|[\da-f]{12})\.([\w-]{43})$/

/** What one process needs to tell its own sessions from forged, expired and ended ones. */
export class Sessions {
  readonly #key: Buffer
  /** Ids of sessions that were signed out, and when each would have expired. */
  readonly #ended = new Map<string, number>()

  constructor(token: string) {
    this.#key = createHmac('sha256', randomBytes(32)).update(token).digest()
  }

  /** The text of a new session: when it expires, its id, the token it began with, and the signature of these. */
  create(token: string, nowMs: number): string {
    const content = `${nowMs + SESSION_MS}.${randomBytes(16).toString('base64url')}.${token}`
    return `${content}.${this.#sign(content)}`
  }

  /** The id of the token that the session began with; undefined for one that is forged, over or was ended. */
  tokenOf(session: string, nowMs: number): string | undefined {
    const content = this.#read(session)
    return content !== undefined && content.expiresAt > nowMs && !this.#ended.has(content.id)
      ? content.token
      : undefined
  }

  /** Ends a session for good, wherever a copy of its cookie may be. */
  end(session: string, nowMs: number): void {
    const content = this.#read(session)
    if (content === undefined) return
    for (const [id, expiresAt] of this.#ended) if (expiresAt <= nowMs) this.#ended.delete(id)
    const oldest = this.#ended.keys().next()
    if (this.#ended.size >= MAX_ENDED && !oldest.done) this.#ended.delete(oldest.value)
    this.#ended.set(content.id, content.expiresAt)
  }

  #read(session: string): { expiresAt: number; id: string; token: string } | undefined {
    const [, expiresAt = '', id = '', token = '', signature = ''] = SESSION.exec(session) ?? []
    const expected = this.#sign(`${expiresAt}.${id}.${token}`)
    // Both are hashes in base64url, so of one length: only then may they be compared in constant time.
    if (signature.length !== expected.length) return undefined
    if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) return undefined
    return { expiresAt: Number(expiresAt), id, token }
  }

  #sign(content: string): string {
    return createHmac('sha256', this.#key).update(content).digest('base64url')
  }
}

/** Every value of the cookie `name`: a browser sends several when one was set for another path. */
export function readCookies(header: string | undefined, name: string): string[] {
  const pairs = (header ?? '').split(';').map((pair) => pair.trim())
  return pairs.filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1))
}

/** The cookie's name and place. `__Host-` makes a browser refuse it from http, and from a neighbour domain. */
export function sessionCookie(isSecure: boolean, basePath: string): { name: string; attributes: string } {
  const common = 'HttpOnly; SameSite=Strict'
  if (isSecure) return { name: '__Host-drover', attributes: `Path=/; Secure; ${common}` }
  return { name: 'drover', attributes: `Path=${basePath || '/'}; ${common}` }
}
