// The door of the dashboard, `drover/dashboard`.
export { createDashboard, type Dashboard, type Listening } from './create-dashboard.js'
export type { ResultRow } from './latest-results.js'
export type { DashboardOptions } from './options.js'
export type { CounterRow, JobRow, LeftOut, Overview, QueueRow } from './overview-data.js'
