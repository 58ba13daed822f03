// Handlers, and what runs them, with one deliberate bug each; all else in the runs is honest.
import { FAULT, failFirst, NUMBERS, type Planted } from './room.js'

export const IN_HANDLERS: readonly Planted[] = [
  {
    name: 'the handler adds to a counter itself, and runs again',
    kind: 'counter-off',
    run: (room) =>
      room.runAll(async (input, context) => {
        if (input.n === 1) await room.redis.incrby(room.keys.counter('sum'), input.n)
        await failFirst(input, context)
      }),
  },
  {
    name: 'the handler applies an effect itself, and runs again',
    kind: 'duplicated-effect',
    run: (room) =>
      room.runAll(async (input, context) => {
        if (input.n === 1) await room.redis.hincrby(room.hits, context.id, 1)
        await failFirst(input, context)
      }),
  },
  {
    name: 'the result is written before the fence that refuses a second run',
    kind: 'result-twice',
    run: (room) =>
      room.runAll(async (input, context) => {
        await room.redis.set(room.keys.result(context.id), '{}')
        if ((await room.redis.hsetnx(`${room.keys.base}fence`, context.id, '1')) === 1) await failFirst(input, context)
      }),
  },
  {
    name: 'the handler swallows its error',
    kind: 'completed-unrun',
    run: async (room) => {
      await room.enqueue(NUMBERS)
      room.note(FAULT)
      const honest = room.honest(failFirst)
      await room.work((input, context) => honest(input, context).catch(() => null))
      await room.untilEnded(NUMBERS.length)
    },
  },
  {
    name: 'an effect is written to a key without the hash tag of the queue',
    kind: 'stray-key',
    run: (room) =>
      room.runAll(async (_input, context) => {
        context.effects.hincrby(room.hits.replaceAll(/[{}]/g, 'x'), context.id, 1)
      }),
  },
  {
    name: 'the effect of a job is left out',
    kind: 'missing-effect',
    run: (room) =>
      room.runAll(async ({ n }, context) => {
        if (n === 1) context.effects.hincrby = () => undefined as never
      }),
  },
  {
    name: 'a job that fails leaves an effect behind',
    kind: 'effect-of-failed',
    run: async (room) => {
      await room.enqueue(NUMBERS, { expect: 'failed' })
      room.note(FAULT)
      await room.work(async ({ n }, { id }) => {
        await room.redis.hset(room.hits, id, 1)
        throw new Error(`${n} never works`)
      })
      await room.untilEnded(NUMBERS.length)
    },
  },
  {
    name: 'an innocent job fails with its neighbour',
    kind: 'wrong-ending',
    run: (room) =>
      room.runAll(async ({ n }) => {
        if (n <= 2) throw new Error('fails beside it')
      }),
  },
  {
    name: 'a crash of the process burns an attempt of an innocent job',
    kind: 'wrong-attempts',
    run: async (room) => {
      await room.enqueue(NUMBERS, { attempts: 1 })
      room.note(FAULT)
      await room.work(room.honest(failFirst))
      await room.untilEnded(NUMBERS.length)
    },
  },
  {
    name: 'a retry drops the job',
    kind: 'lost',
    run: async (room) => {
      const { bullBase } = room.keys
      await room.enqueue(NUMBERS)
      room.note(FAULT)
      const drops = room.honest(async ({ n }, { id }) => {
        if (n !== 1) return
        await room.redis
          .multi()
          .lrem(`${bullBase}active`, 1, id)
          .del(bullBase + id, `${bullBase}${id}:lock`)
          .exec()
        throw new Error('dropped in place of a retry')
      })
      await room.work(drops)
      await room.untilEnded(NUMBERS.length - 1)
    },
  },
]
