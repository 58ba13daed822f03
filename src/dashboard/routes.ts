// The table of contents: every path the dashboard answers, the role it takes and what it changes. bull-board answers
// all below BOARD_PATH (visit.ts); everything else is a 404 for those who are signed in.
import type { Role } from '../ledger/index.js'
import { livePageOf, pageOf } from './page-of.js'
import { addListView, showAdd, takeAdd } from './pages/add-job.js'
import { asset, packageAsset } from './pages/asset.js'
import { auditView } from './pages/audit.js'
import { BULK_RULES, bulkView } from './pages/bulk.js'
import { takeBulk } from './pages/bulk-actions.js'
import { counterView, showCounterCsv, showCounterJson } from './pages/counter.js'
import { countersView, showCountersCsv, showCountersJson } from './pages/counters.js'
import { errorGroupView } from './pages/error-group.js'
import { errorsView } from './pages/errors.js'
import { DONE_WORDS, jobView } from './pages/job.js'
import { showEdit, showRaw, takeCancel, takeRetry, takeRun } from './pages/job-actions.js'
import { showLive } from './pages/livez.js'
import { showMetrics } from './pages/metrics.js'
import { overviewView } from './pages/overview.js'
import { showOverviewJson } from './pages/overview-json.js'
import { SORT_NAMES } from './pages/overview-tables.js'
import { showReady } from './pages/readyz.js'
import { resultsView, SEARCH_RULES } from './pages/results.js'
import { schedulesView, steerSchedule } from './pages/schedules.js'
import { showSignIn, takeSignIn } from './pages/sign-in.js'
import { takeSignOut } from './pages/sign-out.js'
import { takeDiscard, takeErrorsRetry, takeStop, takeUndo } from './pages/take-errors.js'
import { tellConcurrency, tellState } from './pages/worker-orders.js'
import { workersView, workerView } from './pages/workers.js'
import { AUDIT_RULES, ERROR_RULES, oneOf, QUEUE_RULE, type QueryRules, RANGE_RULE } from './query-rules.js'
import type { Page } from './shared.js'

export interface Route {
  readonly method: 'GET' | 'POST'
  /** Matched exactly: no other case, no slash more, no query; `:name` is one part of the path. */
  readonly path: string
  readonly page: Page
  /** The least role that may; `none` is open to strangers. */
  readonly role: Role | 'none'
  /**
   * What it changes. Whatever changes anything takes POST, which must come from our own origin. What changes `jobs` is refused
   * in read-only mode, and writes itself into the audit list (access/audited.ts).
   */
  readonly changes: 'nothing' | 'session' | 'jobs'
  /** What its query may say; default: anything, as it is not read. */
  readonly query?: QueryRules | undefined
  /** Most bytes of the form it takes. Default 4096. */
  readonly maxBytes?: number | undefined
  /** Most fields of it. Default 10. */
  readonly maxFields?: number | undefined
}

const ASSETS: readonly (readonly [name: string, page: Page])[] = [
  ['page.css', asset('page.css', 'text/css')],
  ['frame.css', asset('frame.css', 'text/css')],
  ['tables.css', asset('tables.css', 'text/css')],
  ['overview.css', asset('overview.css', 'text/css')],
  ['verdict.css', asset('verdict.css', 'text/css')],
  ['jobs.css', asset('jobs.css', 'text/css')],
  ['errors.css', asset('errors.css', 'text/css')],
  ['add.css', asset('add.css', 'text/css')],
  ['board.css', asset('board.css', 'text/css')],
  ['live.js', asset('live.js', 'text/javascript')],
  ['change.js', asset('change.js', 'text/javascript')],
  ['chart.js', asset('chart.js', 'text/javascript')],
  ['uplot.js', packageAsset('uplot', 'dist/uPlot.esm.js', 'text/javascript')],
  ['uplot.css', packageAsset('uplot', 'dist/uPlot.min.css', 'text/css')],
  ['drover.svg', asset('drover.svg', 'image/svg+xml')],
]

const ERROR_GROUP = '/errors/:queue/:group'

export const ROUTES: readonly Route[] = [
  {
    method: 'GET',
    path: '/',
    page: livePageOf(overviewView),
    role: 'viewer',
    changes: 'nothing',
    query: { range: RANGE_RULE, queue: QUEUE_RULE, sort: oneOf(SORT_NAMES) },
  },
  { method: 'GET', path: '/overview.json', page: showOverviewJson, role: 'viewer', changes: 'nothing' },
  { method: 'GET', path: '/counters', page: livePageOf(countersView), role: 'viewer', changes: 'nothing' },
  { method: 'GET', path: '/counters.json', page: showCountersJson, role: 'viewer', changes: 'nothing' },
  { method: 'GET', path: '/counters.csv', page: showCountersCsv, role: 'viewer', changes: 'nothing' },
  {
    method: 'GET',
    path: '/counters/:queue/:counter',
    page: pageOf(counterView),
    role: 'viewer',
    changes: 'nothing',
    query: { range: RANGE_RULE },
  },
  {
    method: 'GET',
    path: '/counters/:queue/:counter/series.json',
    page: showCounterJson,
    role: 'viewer',
    changes: 'nothing',
    query: { range: RANGE_RULE },
  },
  {
    method: 'GET',
    path: '/counters/:queue/:counter/series.csv',
    page: showCounterCsv,
    role: 'viewer',
    changes: 'nothing',
    query: { range: RANGE_RULE },
  },
  { method: 'GET', path: '/workers', page: livePageOf(workersView), role: 'viewer', changes: 'nothing' },
  { method: 'GET', path: '/workers/:worker', page: livePageOf(workerView), role: 'viewer', changes: 'nothing' },
  {
    method: 'POST',
    path: '/workers/:worker/quiet',
    page: tellState('quiet', 'quiet'),
    role: 'operator',
    changes: 'jobs',
  },
  {
    method: 'POST',
    path: '/workers/:worker/resume',
    page: tellState('resume', 'run'),
    role: 'operator',
    changes: 'jobs',
  },
  {
    method: 'POST',
    path: '/workers/:worker/stop',
    page: tellState('stop', 'close'),
    role: 'operator',
    changes: 'jobs',
  },
  { method: 'POST', path: '/workers/:worker/concurrency', page: tellConcurrency, role: 'operator', changes: 'jobs' },
  { method: 'GET', path: '/schedules', page: pageOf(schedulesView), role: 'viewer', changes: 'nothing' },
  ...(['pause', 'resume'] as const).map(
    (action): Route => ({
      method: 'POST',
      path: `/schedules/:queue/:schedule/${action}`,
      page: steerSchedule(action),
      role: 'operator',
      changes: 'jobs',
    }),
  ),
  {
    method: 'GET',
    path: '/results',
    page: livePageOf(resultsView),
    role: 'viewer',
    changes: 'nothing',
    query: SEARCH_RULES,
  },
  {
    method: 'GET',
    path: '/results/:queue/:id',
    page: livePageOf(jobView),
    role: 'viewer',
    changes: 'nothing',
    query: { done: oneOf(Object.keys(DONE_WORDS)) },
  },
  { method: 'GET', path: '/results/:queue/:id/raw/:part', page: showRaw, role: 'viewer', changes: 'nothing' },
  { method: 'GET', path: '/results/:queue/:id/edit', page: showEdit, role: 'operator', changes: 'nothing' },
  {
    method: 'POST',
    path: '/results/:queue/:id/run',
    page: takeRun,
    role: 'operator',
    changes: 'jobs',
    maxBytes: 131_072,
  },
  { method: 'POST', path: '/results/:queue/:id/retry', page: takeRetry, role: 'operator', changes: 'jobs' },
  { method: 'POST', path: '/results/:queue/:id/cancel', page: takeCancel, role: 'operator', changes: 'jobs' },
  { method: 'GET', path: '/bulk', page: pageOf(bulkView), role: 'operator', changes: 'nothing', query: BULK_RULES },
  { method: 'POST', path: '/bulk/:queue', page: takeBulk, role: 'operator', changes: 'jobs' },
  { method: 'GET', path: '/add', page: pageOf(addListView), role: 'operator', changes: 'nothing' },
  {
    method: 'GET',
    path: '/add/:queue/:job',
    page: showAdd,
    role: 'operator',
    changes: 'nothing',
    query: { as: oneOf(['form', 'json']) },
  },
  {
    method: 'POST',
    path: '/add/:queue/:job',
    page: takeAdd,
    role: 'operator',
    changes: 'jobs',
    maxBytes: 1_048_576,
    maxFields: 150,
  },
  {
    method: 'GET',
    path: '/errors',
    page: livePageOf(errorsView),
    role: 'viewer',
    changes: 'nothing',
    query: ERROR_RULES,
  },
  { method: 'GET', path: ERROR_GROUP, page: livePageOf(errorGroupView), role: 'viewer', changes: 'nothing' },
  { method: 'POST', path: `${ERROR_GROUP}/retry`, page: takeErrorsRetry, role: 'operator', changes: 'jobs' },
  { method: 'POST', path: `${ERROR_GROUP}/discard`, page: takeDiscard, role: 'operator', changes: 'jobs' },
  { method: 'POST', path: '/errors/:queue/undo', page: takeUndo, role: 'operator', changes: 'jobs' },
  { method: 'POST', path: '/errors/:queue/stop', page: takeStop, role: 'operator', changes: 'jobs' },
  { method: 'GET', path: '/audit', page: pageOf(auditView), role: 'viewer', changes: 'nothing', query: AUDIT_RULES },
  { method: 'GET', path: '/sign-in', page: showSignIn, role: 'none', changes: 'nothing' },
  { method: 'POST', path: '/sign-in', page: takeSignIn, role: 'none', changes: 'session' },
  { method: 'POST', path: '/sign-out', page: takeSignOut, role: 'none', changes: 'session' },
  { method: 'GET', path: '/metrics', page: showMetrics, role: 'viewer', changes: 'nothing' },
  { method: 'GET', path: '/livez', page: showLive, role: 'none', changes: 'nothing' },
  { method: 'GET', path: '/readyz', page: showReady, role: 'none', changes: 'nothing' },
  ...ASSETS.map(
    ([name, page]): Route => ({ method: 'GET', path: `/assets/${name}`, page, role: 'none', changes: 'nothing' }),
  ),
]
