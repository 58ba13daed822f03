// People whom a proxy in front signed in: who they are is in a header, which is believed from the proxy's address alone.
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { InvalidOptionError, refuseUnknown } from '../../job/index.js'
import { includesRole, isRole, ROLES, type Role } from '../../ledger/index.js'
import type { Person } from './person.js'

export interface ProxyUserOptions {
  /** Header with the name of who was signed in, such as `X-Forwarded-User`. */
  readonly header: string
  /** Addresses and networks of the proxies, such as `10.0.0.5` or `10.1.0.0/16`; the headers of all others are ignored. */
  readonly from: readonly string[]
  /** Header with the person's groups, with commas between. Default none: then everyone has `role`. */
  readonly groupsHeader?: string | undefined
  /** Role of each group. Default: a group named as a role gives that role. The highest one counts. */
  readonly roles?: Readonly<Record<string, Role>> | undefined
  /** Role of whoever has none by a group. Default `viewer`; `none` lets them not in. */
  readonly role?: Role | 'none' | undefined
}

/** Tells who asks: a person, `none` for one without a role, undefined when no trusted proxy names one. */
export type ReadProxyUser = (request: IncomingMessage) => Person | 'none' | undefined

const HEADER = /^[A-Za-z0-9-]{1,64}$/
const USER_NAME = /^[^\p{Cc}]{1,100}$/u
const OWN_ROLES: Readonly<Record<string, Role>> = { viewer: 'viewer', operator: 'operator', admin: 'admin' }

/** @throws UnknownOptionError, InvalidOptionError */
export function readProxyUser(options: ProxyUserOptions): ReadProxyUser {
  refuseUnknown(options, ['header', 'from', 'groupsHeader', 'roles', 'role'], 'proxyUser')
  const { role = 'viewer', roles = OWN_ROLES } = options
  const header = checkHeader('proxyUser.header', options.header)
  const groupsHeader = options.groupsHeader && checkHeader('proxyUser.groupsHeader', options.groupsHeader)
  const trusted = readAddresses(options.from)
  if (role !== 'none' && !isRole(role)) throw badRole('proxyUser.role', role)
  const roleOfGroup = new Map(Object.entries(roles))
  for (const given of roleOfGroup.values()) if (!isRole(given)) throw badRole('proxyUser.roles', given)
  return (request) => {
    const { remoteAddress = '' } = request.socket
    const family = isIP(remoteAddress)
    if (family === 0 || !trusted.check(remoteAddress, family === 6 ? 'ipv6' : 'ipv4')) return undefined
    const name = textOf(request, header)
    if (name === undefined || !USER_NAME.test(name)) return undefined
    const groups = groupsHeader === undefined ? [] : (textOf(request, groupsHeader) ?? '').split(',')
    const found = groups.flatMap((group) => roleOfGroup.get(group.trim()) ?? [])
    const highest = [...found, ...(role === 'none' ? [] : [role])].reduce<Role | undefined>(higher, undefined)
    return highest === undefined ? 'none' : { name, role: highest, by: 'proxy' }
  }
}

function higher(one: Role | undefined, other: Role): Role {
  return one !== undefined && includesRole(one, other) ? one : other
}

// A header that came twice is one that somebody added: Node joins them with a comma, which no list of ours is asked for.
function textOf({ headersDistinct }: IncomingMessage, header: string): string | undefined {
  const values = headersDistinct[header]
  return values?.length === 1 ? values[0]?.trim() : undefined
}

function checkHeader(option: string, header: unknown): string {
  if (typeof header === 'string' && HEADER.test(header)) return header.toLowerCase()
  throw new InvalidOptionError(option, 'the name of a header, such as X-Forwarded-User', header)
}

function readAddresses(from: unknown): BlockList {
  const expected = 'at least one address or network, such as 10.0.0.5 or 10.1.0.0/16'
  if (!Array.isArray(from) || from.length === 0) throw new InvalidOptionError('proxyUser.from', expected, from)
  const list = new BlockList()
  for (const each of from) {
    const [, address = '', bits] = /^([\da-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(String(each)) ?? []
    const version = isIP(address)
    const maximum = version === 6 ? 128 : 32
    if (version === 0 || (bits !== undefined && Number(bits) > maximum)) {
      throw new InvalidOptionError('proxyUser.from', expected, each)
    }
    list.addSubnet(address, bits === undefined ? maximum : Number(bits), version === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

function badRole(option: string, role: unknown): InvalidOptionError {
  return new InvalidOptionError(option, `one of ${ROLES.join(', ')}`, role)
}
