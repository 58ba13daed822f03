// The three roles of people in the dashboard, which include each other in order, and which role a token gives by its scopes.
import type { Access, Scope } from './scopes.js'

/** What each may: `viewer` looks, `operator` also acts on jobs, `admin` also removes what cannot be brought back. */
export const ROLES = ['viewer', 'operator', 'admin'] as const
export type Role = (typeof ROLES)[number]

/** The scopes that make a token of each role. */
export const SCOPES_OF_ROLE: Readonly<Record<Role, readonly Scope[]>> = {
  viewer: ['read'],
  operator: ['read', 'operate'],
  admin: ['admin'],
}

export function isRole(value: unknown): value is Role {
  return ROLES.some((role) => role === value)
}

export function includesRole(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed)
}

/**
 * The role that the scopes of a token give: `read` looks, `read` with `operate` acts, `admin` may all. None for a token
 * that may not read, or is for single jobs or queues: the pages show all of them.
 */
export function roleOfToken({ scopes, jobs, queues }: Access): Role | undefined {
  if (jobs !== undefined || queues !== undefined) return undefined
  if (scopes.includes('admin')) return 'admin'
  if (!scopes.includes('read')) return undefined
  return scopes.includes('operate') ? 'operator' : 'viewer'
}
