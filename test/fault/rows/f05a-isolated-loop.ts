// F05A: as F05, but each run has a thread of its own.
import { target } from '../redis-load.js'
import { defineRow } from '../row.js'
import { blockLoops, type Size } from './f05-blocked-loop.js'

const NEIGHBOUR_TARGET_MS = 100

export default defineRow<Size>({
  name: 'F05A',
  title: 'an isolated handler that blocks its thread past its lock runs once, and its neighbours do not wait for it',
  small: { lockMs: 4_000, locks: 2.5, blockers: 1, neighbours: 40 },
  full: { lockMs: 3_000, locks: 4, blockers: 5, neighbours: 400 },
  run: async (context) => {
    const { p50, p99, max } = await blockLoops(context, { isolate: 'thread' })
    context.figure('neighbourStartMs', `p50:${p50},p99:${p99},max:${max}`)
    target(context, 'acknowledged to started, p99', p99, NEIGHBOUR_TARGET_MS)
  },
})
