// The table of contents: every path the dashboard answers, who may ask for it and what it changes. bull-board answers
// all below BOARD_PATH (visit.ts); everything else is a 404 for those who are signed in.
import { asset } from './pages/asset.js'
import { showLive } from './pages/livez.js'
import { showOverview } from './pages/overview.js'
import { showOverviewJson } from './pages/overview-json.js'
import { showReady } from './pages/readyz.js'
import { showSignIn, takeSignIn } from './pages/sign-in.js'
import { takeSignOut } from './pages/sign-out.js'
import type { Page } from './shared.js'

export interface Route {
  readonly method: 'GET' | 'POST'
  /** Matched exactly: no other case, no slash more, no query. */
  readonly path: string
  readonly page: Page
  readonly signIn: 'needed' | 'not needed'
  /** What it changes. Whatever changes anything takes POST, which must come from our own origin. */
  readonly changes: 'nothing' | 'session'
}

export const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/', page: showOverview, signIn: 'needed', changes: 'nothing' },
  { method: 'GET', path: '/overview.json', page: showOverviewJson, signIn: 'needed', changes: 'nothing' },
  { method: 'GET', path: '/sign-in', page: showSignIn, signIn: 'not needed', changes: 'nothing' },
  { method: 'POST', path: '/sign-in', page: takeSignIn, signIn: 'not needed', changes: 'session' },
  { method: 'POST', path: '/sign-out', page: takeSignOut, signIn: 'not needed', changes: 'session' },
  { method: 'GET', path: '/livez', page: showLive, signIn: 'not needed', changes: 'nothing' },
  { method: 'GET', path: '/readyz', page: showReady, signIn: 'not needed', changes: 'nothing' },
  ...[
    ['page.css', 'text/css'] as const,
    ['tables.css', 'text/css'] as const,
    ['live.js', 'text/javascript'] as const,
    ['drover.svg', 'image/svg+xml'] as const,
  ].map(
    ([name, contentType]): Route => ({
      method: 'GET',
      path: `/assets/${name}`,
      page: asset(name, contentType),
      signIn: 'not needed',
      changes: 'nothing',
    }),
  ),
]
