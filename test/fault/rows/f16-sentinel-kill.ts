// F16: the master of a Sentinel group is killed under load, and comes back as a replica.
import { type FailoverSize, failOver, kill } from '../redis-failovers.js'
import { defineRow } from '../row.js'

export default defineRow<FailoverSize>({
  name: 'F16',
  title: 'jobs go on with the new master after the old one was killed, and all that was accepted is there',
  small: { jobs: 300, perSecond: 50, failovers: 1 },
  full: { jobs: 4_000, perSecond: 100, failovers: 5 },
  run: (context) => failOver(context, { kind: 'master-killed', strike: kill }),
})
