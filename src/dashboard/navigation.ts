// The pages that the header leads to, in the order in which it shows them, each with the key that opens it after `g`.
import { BOARD_PATH } from './visit.js'

export type PageName = 'overview' | 'errors' | 'results' | 'counters' | 'workers' | 'queues' | 'audit'

export interface NavigationEntry {
  readonly name: PageName
  readonly title: string
  readonly path: string
  /** `g` and then this key opens the page. */
  readonly key: string
}

export const NAVIGATION: readonly NavigationEntry[] = [
  { name: 'overview', title: 'Overview', path: '/', key: 'o' },
  { name: 'errors', title: 'Errors', path: '/errors', key: 'e' },
  { name: 'results', title: 'Results', path: '/results', key: 'r' },
  { name: 'counters', title: 'Counters', path: '/counters', key: 'c' },
  { name: 'workers', title: 'Workers', path: '/workers', key: 'w' },
  { name: 'queues', title: 'Queues', path: BOARD_PATH, key: 'q' },
  { name: 'audit', title: 'Audit', path: '/audit', key: 'a' },
]

/** The page that a path, with or without a query, belongs to. */
export function pageOfPath(path: string): PageName | undefined {
  const first = `/${path.split(/[/?]/, 2)[1] ?? ''}`
  return NAVIGATION.find((entry) => entry.path === first)?.name
}
