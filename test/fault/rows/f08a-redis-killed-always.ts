// F08A: as F08, with an append-only file that is on disk before each answer.
import { RESTART_SIZES, type RestartSize, runRestarts } from '../redis-restarts.js'
import { defineRow } from '../row.js'

export default defineRow<RestartSize>({
  name: 'F08A',
  title: 'a Redis that writes to disk before it answers is killed, and jobs go on by themselves',
  ...RESTART_SIZES,
  run: (context) => runRestarts(context, 'always'),
})
