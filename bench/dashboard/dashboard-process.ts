// The dashboard of the bench, in a process of its own: `dashboard-process.ts REDIS_URL`. Says where it listens, answers each
// message with the CPU it has used, and closes when its parent goes.
import { createProducer } from 'drover'
import { createDashboard } from 'drover/dashboard'
import { contractsOf, QUEUES, queueName } from './fill.js'

const redis = process.argv[2] ?? ''
const contracts = Array.from({ length: QUEUES }, (_, index) => contractsOf(queueName(index))).flat()
const producer = createProducer({ redis })
const dashboard = createDashboard({ redis, port: 0, contracts, producer })
const { url } = await dashboard.listen()
process.send?.({ url })
process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
process.on('disconnect', () => void Promise.all([dashboard.close(), producer.close()]))
