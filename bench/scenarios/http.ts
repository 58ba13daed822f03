// One measurement of enqueueing over HTTP, in a process of its own: `http.ts KIND REQUESTS REDIS_URL`.
// KIND is bare, an Express route that calls BullMQ's `queue.add`, or drover, the HTTP API with a token. The clients are in
// another process, so that the figures are of the server: `http.ts client PORT TOKEN REQUESTS`, 50 connections kept open.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { Queue } from 'bullmq'
import { createHttpApi, createToken } from 'drover/http'
import express from 'express'
import { Redis } from 'ioredis'
import { inputs, PREFIX, QUEUE, redisCpuSeconds, work } from './shared.js'

const CONNECTIONS = 50
const [kind = 'bare', ...args] = process.argv.slice(2)

/** Posts all jobs, each connection one after another; prints the seconds it took. */
async function runClient(port: number, token: string, count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  const post = (input: object) =>
    new Promise<void>((resolve, reject) => {
      const sent = request({ port, agent, method: 'POST', path: '/v1/jobs', headers }, (answer) => {
        answer.resume()
        if (answer.statusCode !== 201) reject(new Error(`answered ${answer.statusCode}`))
        answer.once('end', resolve)
      })
      sent.once('error', reject)
      sent.end(JSON.stringify({ job: 'work', input }))
    })
  const source = inputs(count)
  const startedAt = performance.now()
  const lane = async () => {
    for (const input of source) await post(input)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, lane))
  agent.destroy()
  console.log((performance.now() - startedAt) / 1_000)
}

async function runServer(requests: number, url: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: null })
  await redis.flushall()
  const app = express()
  let token = ''
  let close: () => Promise<unknown>
  if (kind === 'drover') {
    token = (await createToken(redis, 'drover', { name: 'bench', scopes: ['enqueue'] })).token
    const api = createHttpApi({ contracts: [work], redis: url, rateLimit: false })
    app.use(api.router)
    close = () => api.close()
  } else {
    const queue = new Queue(QUEUE, { connection: new Redis(url, { maxRetriesPerRequest: null }), prefix: PREFIX })
    let ids = 0
    app.post('/v1/jobs', express.json(), async (asked, answer) => {
      const { job, input } = asked.body as { job: string; input: object }
      const { id } = await queue.add(job, input, { jobId: `job-${ids++}`, attempts: work.attempts, backoff: 1_000 })
      answer.status(201).json({ id, job, queue: QUEUE })
    })
    close = () => queue.close()
  }
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const drive = async (count: number) => {
    const words = ['--import', 'tsx', fileURLToPath(import.meta.url), 'client', String(port), token, String(count)]
    const client = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    client.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    const [code] = (await once(client, 'close')) as [number]
    if (code !== 0) throw new Error(`the clients ended with ${code}`)
    return Number(text)
  }
  await drive(Math.min(1_000, requests))
  const redisBefore = await redisCpuSeconds(redis)
  const cpuBefore = process.cpuUsage()
  const seconds = await drive(requests)
  const cpu = process.cpuUsage(cpuBefore)
  const redisCpu = (await redisCpuSeconds(redis)) - redisBefore
  const waiting = await redis.llen(`${PREFIX}:${QUEUE}:wait`)
  if (waiting !== Math.min(1_000, requests) + requests) throw new Error(`${waiting} jobs are waiting`)
  console.log(
    JSON.stringify({
      perSecond: requests / seconds,
      nodeMicros: (cpu.user + cpu.system) / requests,
      redisMicros: (redisCpu * 1e6) / requests,
    }),
  )
  server.closeAllConnections()
  server.close()
  await close()
  redis.disconnect()
  process.exit(0)
}

if (kind === 'client') await runClient(Number(args[0]), args[1] ?? '', Number(args[2]))
else await runServer(Number(args[0]), args[1] ?? '')
