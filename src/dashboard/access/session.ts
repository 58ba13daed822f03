// The cookie of somebody who signed in: made, read and checked here; signed-out.ts knows those that were ended. It is signed
// with a key made from the token of the settings, so it holds at every dashboard of that token, and after a restart.
import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

export const SESSION_MS = 12 * 60 * 60 * 1000
const KEY_BYTES = 32
// Whoever has a cookie, a viewer too, could try tokens against its signature: this makes each try cost 32 MB and some 100 ms.
const KEY_COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }

/** Holder of the token of the settings, in place of the id of a token in Redis. */
export const SETTINGS_TOKEN = 'settings'
const SESSION = /^(\d{1,15})\.([\w-]{22})\.(settings|[\da-f]{12})\.([\w-]{43})$/

/** A session whose signature is right. */
export interface Session {
  readonly expiresAt: number
  readonly id: string
  /** Of the token that it began with. */
  readonly tokenId: string
}

const deriveKey = promisify<string, string, number, typeof KEY_COST, Buffer>(scrypt)

/** What the dashboards of one token and prefix need to tell their own sessions from forged and expired ones. */
export class Sessions {
  readonly #token: string
  readonly #prefix: string
  #key: Promise<Buffer> | undefined

  constructor(token: string, prefix: string) {
    this.#token = token
    this.#prefix = prefix
  }

  /** The text of a new session: when it expires, its id, the token it began with, and the signature of these. */
  async create(token: string, nowMs: number): Promise<string> {
    const content = `${nowMs + SESSION_MS}.${randomBytes(16).toString('base64url')}.${token}`
    return `${content}.${await this.#sign(content)}`
  }

  /** The session; undefined for one that is forged or over. */
  async read(session: string, nowMs: number): Promise<Session | undefined> {
    const [, expiresAt = '', id = '', token = '', signature = ''] = SESSION.exec(session) ?? []
    // Most that is no session of ours costs no key.
    if (signature === '' || Number(expiresAt) <= nowMs) return undefined
    const expected = await this.#sign(`${expiresAt}.${id}.${token}`)
    // Both are hashes in base64url, so of one length: only then may they be compared in constant time.
    if (signature.length !== expected.length) return undefined
    if (!timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) return undefined
    return { expiresAt: Number(expiresAt), id, tokenId: token }
  }

  async #sign(content: string): Promise<string> {
    // One that failed, for lack of memory, is made anew by the next who asks.
    this.#key ??= deriveKey(this.#token, `drover session ${this.#prefix}`, KEY_BYTES, KEY_COST).catch(
      (error: unknown) => {
        this.#key = undefined
        throw error
      },
    )
    return createHmac('sha256', await this.#key)
      .update(content)
      .digest('base64url')
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
