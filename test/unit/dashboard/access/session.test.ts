import { describe, expect, it } from 'vitest'
import { readCookies, SESSION_MS, Sessions, sessionCookie } from '../../../../src/dashboard/access/session.js'

const NOW = Date.UTC(2026, 10, 22)

const sessions = new Sessions('a token', 'drover')

describe('a session', () => {
  it('holds for 12 hours and not a millisecond longer', async () => {
    const session = await sessions.create('settings', NOW)
    expect(SESSION_MS).toBe(12 * 3_600_000)
    expect(await sessions.read(session, NOW + SESSION_MS - 1)).toMatchObject({ tokenId: 'settings' })
    expect(await sessions.read(session, NOW + SESSION_MS)).toBeUndefined()
  })

  it('is refused when any part of it was changed', async () => {
    const [expiresAt = '', id = '', token = '', signature = ''] = (await sessions.create('settings', NOW)).split('.')
    const [, otherId = '', , otherSignature = ''] = (await sessions.create('settings', NOW)).split('.')
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
      expect(await sessions.read(forged, NOW), forged).toBeUndefined()
    }
  })

  it('is good at another process of the same token and prefix, and worth nothing at others', async () => {
    const session = await sessions.create('settings', NOW)
    expect(await new Sessions('a token', 'drover').read(session, NOW)).toMatchObject({ tokenId: 'settings' })
    expect(await new Sessions('another token', 'drover').read(session, NOW)).toBeUndefined()
    expect(await new Sessions('a token', 'staging').read(session, NOW)).toBeUndefined()
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
