// The door of the dashboard, `drover/dashboard`.

export { ROLES, type Role } from '../ledger/index.js'
export type { ProxyUserOptions } from './access/proxy-user.js'
export type { Authorize, Authorized } from './access/sign-in.js'
export { createDashboard, type Dashboard, type Listening } from './create-dashboard.js'
export type { ResultRow } from './latest-results.js'
export type { AddedJob, AddOptions, DashboardOptions, JobAdder } from './options.js'
export type {
  JobRow,
  LastHourRow,
  LeftOut,
  Overview,
  QueueRow,
  ScheduleRow,
  ServerRow,
} from './overview-data.js'
