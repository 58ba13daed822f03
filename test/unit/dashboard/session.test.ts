import { describe, expect, it } from 'vitest'
import { readCookies, SESSION_MS, Sessions, sessionCookie } from '../../../src/dashboard/session.js'

const NOW = Date.UTC(2026, 10, 22)

describe('a session', () => {
  it('holds for 12 hours and not a millisecond longer', () => {
    const sessions = new Sessions('a token')
    const session = sessions.create(NOW)
    expect(SESSION_MS).toBe(12 * 3_600_000)
    expect(sessions.isValid(session, NOW + SESSION_MS - 1)).toBe(true)
    expect(sessions.isValid(session, NOW + SESSION_MS)).toBe(false)
  })

  it('is refused when any part of it was changed', () => {
    const sessions = new Sessions('a token')
    const [expiresAt = '', id = '', signature = ''] = sessions.create(NOW).split('.')
    const [, otherId = '', otherSignature = ''] = sessions.create(NOW).split('.')
    for (const forged of [
      `${Number(expiresAt) + 1}.${id}.${signature}`,
      `${expiresAt}.${otherId}.${signature}`,
      `${expiresAt}.${id}.${otherSignature}`,
      `${expiresAt}.${id}.${signature.slice(0, -1)}`,
      `${expiresAt}.${id}.`,
      `${expiresAt}.${id}`,
      `${expiresAt}.${id}.${signature}.${signature}`,
      '',
    ]) {
      expect(sessions.isValid(forged, NOW), forged).toBe(false)
    }
  })

  it('is worth nothing at another process or another token', () => {
    const session = new Sessions('a token').create(NOW)
    expect(new Sessions('a token').isValid(session, NOW)).toBe(false)
    expect(new Sessions('').isValid(session, NOW)).toBe(false)
  })

  it('is over everywhere once it was ended, and the others are not', () => {
    const sessions = new Sessions('a token')
    const [mine, theirs] = [sessions.create(NOW), sessions.create(NOW)]
    sessions.end(mine, NOW)
    sessions.end('not a session', NOW)
    expect(sessions.isValid(mine, NOW)).toBe(false)
    expect(sessions.isValid(theirs, NOW)).toBe(true)
  })
})

describe('the session cookie', () => {
  it('is bound to the host over https, and never readable by scripts or sent from other sites', () => {
    expect(sessionCookie(true, '/admin')).toEqual({
      name: '__Host-drover',
      attributes: 'Path=/; Secure; HttpOnly; SameSite=Strict',
    })
    expect(sessionCookie(false, '/admin')).toEqual({
      name: 'drover',
      attributes: 'Path=/admin; HttpOnly; SameSite=Strict',
    })
  })

  it('is found among others by its whole name', () => {
    expect(readCookies('a=1; drover=x.y.z;xdrover=no; drover=second', 'drover')).toEqual(['x.y.z', 'second'])
    expect(readCookies(undefined, 'drover')).toEqual([])
  })
})
