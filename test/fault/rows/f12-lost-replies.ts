// F12: replies are lost with their connection after Redis has done what it was asked for, at producers and workers.
import { startFaultProxy } from '../../../src/testing/index.js'
import { endLoad, startLoad } from '../redis-load.js'
import { defineRow } from '../row.js'

interface Size {
  readonly jobs: number
}

// A fifth of the producers' scripts, a tenth of the workers' commits.
const PRODUCER_FAULT = { mode: 'dropReply', matching: 'evalsha', every: 5 } as const
const WORKER_FAULT = { mode: 'dropReply', matching: 'fcall', every: 10 } as const

export default defineRow<Size>({
  name: 'F12',
  title: 'a job whose accepting reply is lost is stored once, with an id of its own or without',
  small: { jobs: 150 },
  full: { jobs: 5_000 },
  run: async (context) => {
    const { jobs } = context.size
    const server = await context.startRedis()
    const [toProducers, toWorkers] = await Promise.all([
      startFaultProxy({ target: server.url }),
      startFaultProxy({ target: server.url }),
    ])
    try {
      toProducers.set(PRODUCER_FAULT)
      context.fault('replies-lost')
      const load = await startLoad(context, {
        redis: toWorkers.url,
        jobs,
        worker: { concurrency: 4 },
        producer: { redis: toProducers.url, inFlight: 5, timeout: '60s' },
      })
      toWorkers.set(WORKER_FAULT)
      const without = context.startScript('redis-producer-without-ids.mjs', {
        redis: toProducers.url,
        from: jobs + 1,
        count: jobs,
      })
      await Promise.all([context.finish(load.producer), context.finish(without)])
      toWorkers.set('pass')
      await endLoad(context, load, { url: server.url })
      const { lostReplies } = toProducers.counts
      context.figure('lostRepliesOfProducers', lostReplies)
      context.figure('lostRepliesOfWorkers', toWorkers.counts.lostReplies)
      const text = `${lostReplies} replies of ${2 * jobs} enqueues were lost`
      context.require(lostReplies >= jobs / 20, 'no-fault', text)
    } finally {
      await Promise.all([toProducers.close(), toWorkers.close()])
    }
  },
})
