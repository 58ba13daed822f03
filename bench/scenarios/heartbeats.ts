// What workers cost Redis that do nothing but tell of themselves and read what they are told: `heartbeats.ts KIND WORKERS
// REDIS_URL`. A connection for each, as a worker process has; KIND is bare, where they send nothing, or drover.
import { Redis } from 'ioredis'
import { createFleet } from './fleet.js'
import { redisCpuSeconds } from './shared.js'

/** Four heartbeats of each. */
const MEASURED_MS = 20_000
const [kind = 'bare', workersText = '100', url = ''] = process.argv.slice(2)
const redis = new Redis(url)
await redis.flushall()
const { members, close } = createFleet(url, Number(workersText), () => 'bench')
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
// As workers that started one after the other: not all in the same instant.
for (const member of members) {
  if (kind === 'drover') member.start()
  await pause(5_000 / members.length)
}
const before = { redis: await redisCpuSeconds(redis), node: process.cpuUsage(), at: performance.now() }
await pause(MEASURED_MS)
const seconds = (performance.now() - before.at) / 1_000
const redisCpu = (await redisCpuSeconds(redis)) - before.redis
const { user, system } = process.cpuUsage(before.node)
await close()
redis.disconnect()
console.log(
  JSON.stringify({
    redisPercent: (100 * redisCpu) / seconds,
    nodeMicros: (user + system) / seconds,
    redisMicros: (redisCpu * 1e6) / seconds,
  }),
)
