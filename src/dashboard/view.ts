// A view: what one page shows, apart from how it is sent. It is drawn once for all who look at the same address with the
// same role, so it must not depend on who they are. page-of.ts sends it, live.ts keeps open tabs current.
import type { Role } from '../ledger/index.js'
import type { Html } from './html.js'
import type { PageName } from './navigation.js'
import type { Shared } from './shared.js'

/** What a view may depend on. */
export interface Asked {
  readonly shared: Shared
  /** Path that every link starts with. */
  readonly base: string
  /** The path with its query, below the base: what a form sends along to come back to. */
  readonly here: string
  /** Parameters of the path, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** The query: the first value of each name, cut at 1,000 characters. */
  readonly query: ReadonlyMap<string, string>
  readonly nowMs: number
  /** Whether whoever looks may do what takes this role. What they may not do is not offered. */
  may(role: Role): boolean
}

export interface Shown {
  readonly title: string
  /** Which link of the header is the page's own. */
  readonly current?: PageName | undefined
  /** Where the page's data comes from, beside the links. */
  readonly source?: Html | undefined
  readonly main: Html
  /** Default 200. */
  readonly status?: number | undefined
}

export type View = (asked: Asked) => Promise<Shown>
