// F08: Redis is killed under load and started again; its append-only file is forced to the disk each second.
import { RESTART_SIZES, type RestartSize, runRestarts } from '../redis-restarts.js'
import { defineRow } from '../row.js'

export default defineRow<RestartSize>({
  name: 'F08',
  title: 'a Redis that is killed and started again has lost nothing that it had written, and jobs go on by themselves',
  ...RESTART_SIZES,
  run: (context) => runRestarts(context, 'everysec'),
})
