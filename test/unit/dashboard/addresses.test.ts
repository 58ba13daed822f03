import { describe, expect, it } from 'vitest'
import { addressOwner, hostOf, isLoopbackHost } from '../../../src/dashboard/addresses.js'

describe('isLoopbackHost', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.9.8.7', '::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])(
    'takes %s',
    (host) => expect(isLoopbackHost(host)).toBe(true),
  )

  it.each([
    '',
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '127.1',
    '::2',
    '::ffff:10.0.0.1',
    '1::1',
  ])('refuses %j', (host) => expect(isLoopbackHost(host)).toBe(false))
})

describe('hostOf', () => {
  it('takes the port off a Host header', () => {
    expect(['localhost:3000', 'localhost', '[::1]:3000', '[::1]'].map(hostOf)).toEqual([
      'localhost',
      'localhost',
      '[::1]',
      '[::1]',
    ])
  })
})

describe('addressOwner', () => {
  it('is the address itself for IPv4, also when it arrives as IPv6', () => {
    expect(addressOwner('10.1.2.3')).toBe('10.1.2.3')
    expect(addressOwner('::ffff:10.1.2.3')).toBe('10.1.2.3')
  })

  it('is the first 56 bits for IPv6, however the address is written', () => {
    const owners = ['2001:db8:1:22ff::1', '2001:DB8:1:2200::ffff', '2001:0db8:0001:2280:1:2:3:4'].map(addressOwner)
    expect(owners).toEqual(new Array(3).fill('2001:db8:1:2200::/56'))
    expect(addressOwner('2001:db8:1:2300::1')).toBe('2001:db8:1:2300::/56')
    expect(addressOwner('fe80::1%eth0')).toBe('fe80:0:0:0::/56')
  })
})
