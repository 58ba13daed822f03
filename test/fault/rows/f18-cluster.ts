// F18: in a cluster of three masters with a replica each, the owner of the queue's slot is killed, and the slot is moved
// under load.
import { queueTag } from '../../../src/redis/index.js'
import type { TestRedis } from '../../support/redis.js'
import { startCluster } from '../../support/redis-topologies.js'
import { endLoad, startLoad, target, untilFreshEnd } from '../redis-load.js'
import { defineRow } from '../row.js'

interface Size {
  readonly jobs: number
  readonly perSecond: number
  /** Each is a failover and then a move. */
  readonly rounds: number
}

const GAP_TARGET_MS = 6_000

export default defineRow<Size>({
  name: 'F18',
  title: 'jobs of a cluster outlive the owner of their slot, and its move to another node',
  small: { jobs: 300, perSecond: 50, rounds: 1 },
  full: { jobs: 6_000, perSecond: 100, rounds: 3 },
  run: async (context) => {
    const { size } = context
    const cluster = await startCluster({ args: ['--auto-aof-rewrite-percentage', '0'] })
    try {
      const slot = await cluster.slotOf(queueTag('drover', context.queue))
      const load = await startLoad(context, {
        redis: cluster.url,
        jobs: size.jobs,
        producer: { perSecond: size.perSecond, persistsWhenRefused: true },
      })
      const refusals = () => context.ledger().filter(({ e }) => e === 'refused').length
      const gaps = { failover: [] as number[], move: [] as number[] }
      for (let round = 0; round < size.rounds; round++) {
        const share = (part: number) => Math.floor((size.jobs * (round + part)) / (size.rounds + 0.5))
        await context.untilEnded(cluster.url, share(0.2))
        const owner = await cluster.ownerOf(slot)
        const asked = cluster.nodes.find((node) => node !== owner)
        await owner.kill()
        context.fault('owner-killed')
        const failoverMs = await untilFreshEnd(context, load)
        gaps.failover.push(Math.round(failoverMs))
        context.recovered(failoverMs)
        target(context, 'first job after the owner was gone', failoverMs, GAP_TARGET_MS)
        await owner.restart()
        const next = await cluster.ownerOf(slot, asked)
        await context.until('the old owner is a replica again', async () =>
          (await owner.cli('INFO', 'replication')).includes('master_link_status:up'),
        )
        await context.untilEnded(cluster.url, share(0.6))
        await cluster.moveSlot(slot, next, context.random.pick(await otherMasters(cluster.nodes, next)))
        context.fault('slot-moved')
        const moveMs = await untilFreshEnd(context, load)
        gaps.move.push(Math.round(moveMs))
      }
      context.figure('gapsMs', JSON.stringify(gaps))
      context.figure('refused', refusals())
      await endLoad(context, load, { url: cluster.url })
    } finally {
      await cluster.close()
    }
  },
})

/** Failovers have changed who is one since the cluster was made. */
async function otherMasters(nodes: readonly TestRedis[], owner: TestRedis): Promise<TestRedis[]> {
  const roles = await Promise.all(nodes.map((node) => node.cli('ROLE')))
  return nodes.filter((node, index) => node !== owner && roles[index]?.startsWith('master'))
}
