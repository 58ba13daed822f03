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
const api = createHttpApi({ redis: plan.redis, contracts, adminToken: plan.token, logger })
const dashboard = createDashboard({ redis: plan.redis, port: 0, beside: api.router, logger })
const { url } = await dashboard.listen()
say({ ready: true, url })

process.once('SIGTERM', async () => {
  await api.close()
  await dashboard.close()
  process.exit(0)
})
