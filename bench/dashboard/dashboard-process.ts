// The dashboard of the bench, in a process of its own: `dashboard-process.ts REDIS_URL`. Says where it listens, answers each
// message with the CPU it has used, and closes when its parent goes.
import { createDashboard } from 'drover/dashboard'

const dashboard = createDashboard({ redis: process.argv[2] ?? '', port: 0 })
const { url } = await dashboard.listen()
process.send?.({ url })
process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
process.on('disconnect', () => void dashboard.close())
