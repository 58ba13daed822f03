// Who a request comes from and which name it asks for: loopback or not, and the part of an address that one person holds.
import { isIPv4, isIPv6 } from 'node:net'

const IPV4_IN_IPV6 = '::ffff:'
const GROUPS = 8

/** True for a name or address that only this machine reaches: `localhost`, 127.0.0.0/8, ::1. */
export function isLoopbackHost(host: string): boolean {
  const name = withoutBrackets(host.toLowerCase())
  if (name === 'localhost') return true
  const address = name.startsWith(IPV4_IN_IPV6) ? name.slice(IPV4_IN_IPV6.length) : name
  if (isIPv4(address)) return address.startsWith('127.')
  return isIPv6(address) && ipv6Groups(address).join(':') === '0:0:0:0:0:0:0:1'
}

/** The host of a Host header, without its port. */
export function hostOf(header: string): string {
  return header.replace(/:\d*$/, '')
}

/** What failed sign-ins are counted by: an IPv4 address, or the 56 bits of an IPv6 address that one customer is given. */
export function addressOwner(address: string): string {
  const name = address.toLowerCase()
  if (name.startsWith(IPV4_IN_IPV6) && isIPv4(name.slice(IPV4_IN_IPV6.length))) return name.slice(IPV4_IN_IPV6.length)
  if (!isIPv6(name)) return name
  const [first = '0', second = '0', third = '0', fourth = '0'] = ipv6Groups(name)
  return `${first}:${second}:${third}:${(Number.parseInt(fourth, 16) & 0xff00).toString(16)}::/56`
}

// The eight groups of an IPv6 address without leading zeros; `::` stands for as many zeros as are missing.
function ipv6Groups(address: string): string[] {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, GROUPS - front.length - back.length)).fill('0')
  return [...front, ...zeros, ...back].map((group) => group.replace(/^0+(?=.)/, ''))
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}
