import { describe, expect, it } from 'vitest'
import { readCookies, SESSION_MS, Sessions, sessionCookie } from '../../../../src/dashboard/access/session.js'

const NOW = Date.UTC(2026, 10, 22)

describe('a session', () => {
  it('holds for 12 hours and not a millisecond longer', () => {
    const sessions = new Sessions('a token')
    const session = sessions.create('settings', NOW)
    expect(SESSION_MS).toBe(12 * 3_600_000)
    expect(sessions.tokenOf(session, NOW + SESSION_MS - 1)).toBe('settings')
    expect(sessions.tokenOf(session, NOW + SESSION_MS)).toBeUndefined()
  })

  it('is refused when any part of it was changed', () => {
    const sessions = new Sessions('a token')
    const [expiresAt = '', id = '', token = '', signature = ''] = sessions.create('settings', NOW).split('.')
    const [, otherId = '', , otherSignature = ''] = sessions.create('settings', NOW).split('.')
    for (const forged of [
      `${Number(expiresAt) + 1}.${id}.${token}.${signature}`,
      `${expiresAt}.${otherId}.${token}.${signature}`,
      `${expiresAt}.${id}.${token}.${otherSignature}`,
      `${expiresAt}.${id}.${token}.${signature.slice(0, -1)}`,
      `${expiresAt}.${id}.${token}.`,
      `${expiresAt}.${id}.0123456789ab.${signature}`,
      `${expiresAt}.${id}`,
      `${expiresAt}.${id}.${token}.${signature}.${signature}`,
      '',
    ]) {
      expect(sessions.tokenOf(forged, NOW), forged).toBeUndefined()
    }
  })

  it('is worth nothing at another process or another token', () => {
    const session = new Sessions('a token').create('settings', NOW)
    expect(new Sessions('a token').tokenOf(session, NOW)).toBeUndefined()
    expect(new Sessions('').tokenOf(session, NOW)).toBeUndefined()
  })

  it('is over everywhere once it was ended, and the others are not', () => {
    const sessions = new Sessions('a token')
    const [mine, theirs] = [sessions.create('settings', NOW), sessions.create('settings', NOW)]
    sessions.end(mine, NOW)
    sessions.end('not a session', NOW)
    expect(sessions.tokenOf(mine, NOW)).toBeUndefined()
    expect(sessions.tokenOf(theirs, NOW)).toBe('settings')
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
