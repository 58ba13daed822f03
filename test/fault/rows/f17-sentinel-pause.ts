// F17: the master of a Sentinel group is frozen, another one takes over, and the old one wakes up as if nothing were: what
// it still accepts is lost. The safe settings: it takes no write without a replica (`min-replicas-to-write`), and an
// enqueue waits for one (`durability: 'strict'`).
import { type FailoverSize, failOver, pauseFor } from '../redis-failovers.js'
import { defineRow } from '../row.js'

const SAFE = ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '2', '--appendfsync', 'always']

export default defineRow<FailoverSize & { readonly pauseMs: number }>({
  name: 'F17',
  title: 'a master that wakes up after another took over has taken no accepted job with it',
  small: { jobs: 300, perSecond: 50, failovers: 1, pauseMs: 4_000 },
  full: { jobs: 8_000, perSecond: 100, failovers: 5, pauseMs: 12_000 },
  run: (context) =>
    failOver(context, {
      kind: 'master-paused',
      args: SAFE,
      producer: { durability: 'strict' },
      strike: pauseFor(context.size.pauseMs),
    }),
})
