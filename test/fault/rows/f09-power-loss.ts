// F09: the machine of Redis loses its power: the end of the append-only file is gone, cut anywhere. What was accepted in
// it is lost, which is the price of `everysec`; but no count may ever differ from the results that are left.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import type { TestRedis } from '../../support/redis.js'
import { endLoad } from '../redis-load.js'
import { killRedis, type RestartSize } from '../redis-restarts.js'
import { defineRow } from '../row.js'

// An enqueue alone writes more than this, so that no more than one accepted job is lost for so many bytes.
const LEAST_JOB_BYTES = 200

export default defineRow<RestartSize & { readonly mostCutBytes: number }>({
  name: 'F09',
  title: 'a Redis that lost the end of its append-only file has counts and results that agree',
  small: { jobs: 400, kills: 3, perSecond: 100, mostCutBytes: 20_000 },
  full: { jobs: 10_000, kills: 20, perSecond: 300, mostCutBytes: 200_000 },
  run: async (context) => {
    let cutBytes = 0
    const cutFile = (server: TestRedis) => {
      const bytes = 1 + context.random.below(context.size.mostCutBytes)
      cutBytes += cutTail(server, bytes)
      repair(server)
    }
    const { server, load } = await killRedis(context, {
      appendfsync: 'everysec',
      kind: 'append-only-file-cut',
      whileDown: cutFile,
    })
    const mayLose = Math.floor(cutBytes / LEAST_JOB_BYTES)
    const report = await endLoad(context, load, { url: server.url, mayLose })
    context.figure('cutBytes', cutBytes)
    context.figure('lostForTheCut', report.lost)
  },
})

function cutTail(server: TestRedis, bytes: number): number {
  const folder = join(server.directory, 'appendonlydir')
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.incr.aof'))
  if (file === undefined) throw new Error('the server has no append-only file')
  const path = join(folder, file)
  const { size } = statSync(path)
  const cut = Math.min(bytes, size)
  truncateSync(path, size - cut)
  return cut
}

// As docs/operations.md says. A server that is started on a file cut inside of a transaction leaves the half of it there,
// and one more restart later applies that half with the next transaction (valkey-io/valkey#4342 mends it).
function repair(server: TestRedis): void {
  const manifest = join(server.directory, 'appendonlydir', 'appendonly.aof.manifest')
  const fix = (program: string) => spawnSync(program, ['--fix', manifest], { input: 'y\n', encoding: 'utf8' })
  const tried = fix('redis-check-aof')
  const { status, stdout, error } = tried.error ? fix('valkey-check-aof') : tried
  if (status !== 0) throw new Error(`the append-only file was not repaired: ${error?.message ?? stdout}`)
}
