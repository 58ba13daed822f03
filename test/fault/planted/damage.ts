// Damage done to Redis, or to the ledger, after an honest run: each must be called by its name.
import { NUMBERS, type Planted, type PlantedRoom, runHonest } from './room.js'

const damage = (name: string, kind: Planted['kind'], hurt: (room: PlantedRoom) => Promise<unknown>): Planted => ({
  name,
  kind,
  run: async (room) => {
    await runHonest(room)
    await hurt(room)
  },
})

export const DAMAGE: readonly Planted[] = [
  damage('a job is listed in two states', 'two-states', ({ redis, keys }) =>
    redis.zadd(`${keys.bullBase}failed`, 1, 'j-2'),
  ),
  damage('a job is listed twice in one state', 'two-states', ({ redis, keys }) =>
    redis.rpush(`${keys.bullBase}active`, 'j-2', 'j-2'),
  ),
  damage('a job is listed without its record', 'no-hash', ({ redis, keys }) => redis.del(`${keys.bullBase}j-2`)),
  damage('the record of a job is in no state', 'no-state', ({ redis, keys }) =>
    redis.zrem(`${keys.bullBase}completed`, 'j-2'),
  ),
  damage('more jobs are listed than were accepted', 'accounting', ({ redis, keys }) =>
    redis.zadd(`${keys.bullBase}completed`, 1, 'j-ghost'),
  ),
  damage('a result says another ending', 'result-wrong', async ({ redis, keys }) => {
    const text = (await redis.get(keys.result('j-2'))) ?? ''
    await redis.set(keys.result('j-2'), text.replace('"completed"', '"failed"'))
  }),
  damage('a result is there of a job that did not finish', 'result-extra', ({ redis, keys }) =>
    redis.copy(keys.result('j-2'), keys.result('j-none')),
  ),
  damage('a result is gone', 'result-missing', ({ redis, keys }) => redis.del(keys.result('j-2'))),
  damage('a result is there that no append-only file has', 'result-unseen', ({ redis, keys }) =>
    redis.rename(keys.result('j-2'), keys.result('j-unseen')),
  ),
  damage('the stats of a minute count a job twice', 'stats-off', ({ redis, keys }) =>
    redis.hincrby(keys.stats(1), 'work|c|1|1', 1),
  ),
  damage('a total loses a count', 'totals-off', ({ redis, keys }) => redis.hincrby(keys.totals, 'work:completed', -1)),
  damage('a counter is off by one', 'counter-off', ({ redis, keys }) => redis.incr(keys.counter('sum'))),
  {
    name: 'no fault is injected',
    kind: 'no-fault',
    run: async (room) => {
      await room.enqueue(NUMBERS)
      await room.work()
      await room.untilEnded(NUMBERS.length)
    },
  },
  {
    name: 'no job is accepted',
    kind: 'no-job',
    run: async (room) => room.note({ e: 'fault', kind: 'nothing is there to be hurt', seed: 1 }),
  },
]
