// The HTTP API and the dashboard of fault runs as a process of its own, on one port of this machine, for the one job of
// work-job.mjs. Says its address when it listens. SIGTERM closes it in order. Needs the built dist/.
import { createDashboard } from 'drover/dashboard'
import { createHttpApi } from 'drover/http'
import { pino } from 'pino'
import { work } from './work-job.mjs'

const plan = JSON.parse(process.argv[2])
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const logger = pino({ level: 'info' }, pino.destination({ dest: plan.log, sync: true }))
const contracts = [work(plan.queue, plan.contract)]
// Longer than a busy machine stands still: what a row measures is how long answers take, not when they are given up.
const common = { redis: plan.redis, timeout: '60s', logger }
const api = createHttpApi({ ...common, contracts, adminToken: plan.token })
const dashboard = createDashboard({ ...common, port: 0, beside: api.router })
const { url } = await dashboard.listen()
say({ ready: true, url })

process.once('SIGTERM', async () => {
  await api.close()
  await dashboard.close()
  process.exit(0)
})
