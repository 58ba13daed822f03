// What a token may do: its scopes, and the jobs and queues it is limited to. Who holds which token is in access-list.ts.

export const SCOPES = ['enqueue', 'read', 'operate', 'admin'] as const
/** `admin` includes the other three, which do not include each other. */
export type Scope = (typeof SCOPES)[number]

/** Who asks, once their token was found to be right. */
export interface Access {
  /** Public part of the token; for the token of the settings `admin`. */
  readonly id: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** Names of the only jobs it may see and enqueue; undefined: all. */
  readonly jobs: readonly string[] | undefined
  /** Names of the only queues it may see and enqueue into; undefined: all. */
  readonly queues: readonly string[] | undefined
  /** Milliseconds since 1970; undefined: never. */
  readonly expiresAt: number | undefined
}

export function isScope(value: unknown): value is Scope {
  return SCOPES.some((scope) => scope === value)
}

export function allowsScope({ scopes }: Access, needed: Scope): boolean {
  return scopes.includes(needed) || scopes.includes('admin')
}

export function allowsQueue({ queues }: Access, queue: string): boolean {
  return queues === undefined || queues.includes(queue)
}

export function allowsJob(access: Access, job: string, queue: string): boolean {
  return (access.jobs === undefined || access.jobs.includes(job)) && allowsQueue(access, queue)
}
