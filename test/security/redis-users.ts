// The Redis users that SECURITY.md tells an operator to make, as its `ACL SETUSER` lines name them, and what BullMQ's and
// our scripts call, for a look at whether the lines allow it.
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import type { TestRedis } from '../support/redis.js'

export const ROLES = ['producer', 'worker', 'dashboard', 'dashboard-read-only'] as const
export type Role = (typeof ROLES)[number]

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
export const PASSWORD = 'c4nary-acl-password'

export interface RedisUser {
  readonly name: string
  /** The words behind the user's name, the password put in. */
  readonly rules: readonly string[]
  /** `hget`, `client|setname`: what its `+` words allow. */
  readonly commands: readonly string[]
}

/** The user of this role in SECURITY.md. */
export function documentedUser(role: Role): RedisUser {
  const text = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8').replaceAll('\\\n', ' ')
  const line = text.split('\n').find((each) => each.trim().startsWith(`ACL SETUSER drover-${role} `))
  if (line === undefined) throw new Error(`SECURITY.md has no line for drover-${role}`)
  const [, , name = '', ...words] = line.trim().split(/\s+/)
  const rules = words.map((word) => (word.startsWith('>') ? `>${PASSWORD}` : word))
  return { name, rules, commands: rules.filter((word) => word.startsWith('+')).map((word) => word.slice(1)) }
}

/** Makes the documented user on this server and gives a URL that signs in as it. */
export async function createUser(server: TestRedis, role: Role, more: readonly string[] = []): Promise<string> {
  const { name, rules } = documentedUser(role)
  const reply = await server.cli('ACL', 'SETUSER', name, ...rules, ...more)
  if (reply !== 'OK') throw new Error(`ACL SETUSER ${name}: ${reply}`)
  return `redis://${name}:${PASSWORD}@${server.host}:${server.port}`
}

/** What Redis refused since the last look, as `user command`. */
export async function denials(server: TestRedis): Promise<string[]> {
  const client = new Redis(server.url)
  try {
    const entries = (await client.call('ACL', 'LOG', '128')) as unknown[][]
    await client.call('ACL', 'LOG', 'RESET')
    return entries.map((entry) => {
      const fields = new Map<unknown, unknown>()
      for (let at = 0; at < entry.length; at += 2) fields.set(entry[at], entry[at + 1])
      return `${fields.get('username')} ${fields.get('reason')} ${fields.get('context')} ${fields.get('object')}`
    })
  } finally {
    client.disconnect()
  }
}

/** The commands in the text of these scripts of BullMQ. */
export function bullmqCommands(scripts: readonly string[]): string[] {
  const folder = join(dirname(createRequire(import.meta.url).resolve('bullmq')), '..', 'esm', 'scripts')
  const files = readdirSync(folder).filter((file) => file.endsWith('.js'))
  return unique(
    scripts.flatMap((name) => {
      const file = files.find((each) => each.startsWith(`${name}-`))
      if (file === undefined) throw new Error(`BullMQ has no script ${name}`)
      return commandsIn(readFileSync(join(folder, file), 'utf8'))
    }),
  )
}

/** The commands in the text of our own scripts whose path matches. */
export function ownCommands(path = /./): string[] {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  const scripts = files.filter((file) => file.endsWith('.lua') && path.test(file))
  return unique(scripts.flatMap((file) => commandsIn(readFileSync(join(ROOT, 'src', file), 'utf8'))))
}

function commandsIn(text: string): string[] {
  const calls = text.matchAll(/(?:\brcall|\bcall|redis\.p?call)\(\s*\\?["']([A-Za-z]+)\\?["']/g)
  // BullMQ hands the one of two list commands on under this name; ours has a place for one of two.
  const pushes = text.includes('pushCmd') ? ['lpush', 'rpush'] : []
  const published = text.includes('@PUBLISH@') ? ['publish'] : []
  return [...[...calls].map(([, name = '']) => name.toLowerCase()), ...pushes, ...published]
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}
