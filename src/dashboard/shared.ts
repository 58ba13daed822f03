// What all pages work with: the one reader of Redis, the shared overview, sign-in. create-dashboard.ts builds it.
import type { Request, Response } from 'express'
import type { RedisClient } from '../redis/index.js'
import type { OverviewSource } from './overview-source.js'
import type { SignIn } from './sign-in.js'

export interface Shared {
  readonly client: RedisClient
  readonly overview: OverviewSource
  readonly signIn: SignIn
}

/** One page: it answers the request. What it throws becomes a problem, in problems.ts. */
export type Page = (request: Request, response: Response, shared: Shared) => void | Promise<void>
