// Producers with one deliberate bug each; all else in the runs is honest.
import { FAULT, NUMBERS, type Planted } from './room.js'

const [FIRST = 1, ...OTHERS] = NUMBERS
const EXTRA = NUMBERS.length + 1

export const IN_PRODUCERS: readonly Planted[] = [
  {
    name: 'an enqueue is acknowledged before it is written',
    kind: 'lost',
    run: async (room) => {
      await room.enqueue(OTHERS)
      room.note(FAULT, { e: 'try', id: `j-${FIRST}` }, { e: 'ack', id: `j-${FIRST}` })
      await room.work()
      await room.untilEnded(OTHERS.length)
    },
  },
  {
    name: 'the tail of a bulk is not sent',
    kind: 'lost',
    run: async (room) => {
      const sent = NUMBERS.slice(0, -2)
      room.note(FAULT, ...NUMBERS.map((n) => ({ e: 'try', id: `j-${n}` }) as const))
      for (const n of sent) await room.enqueueOne(n)
      room.note(...NUMBERS.map((n) => ({ e: 'ack', id: `j-${n}` }) as const))
      await room.work()
      await room.untilEnded(sent.length)
    },
  },
  {
    name: 'no id is fixed before the first send, whose reply is lost',
    kind: 'duplicate-accept',
    run: async (room) => {
      await room.enqueue(OTHERS)
      await room.bull.add('work', { n: FIRST })
      room.note({ e: 'fault', kind: 'the reply of an enqueue is lost', seed: 1 })
      const { id = '' } = await room.bull.add('work', { n: FIRST })
      room.note({ e: 'try', id }, { e: 'ack', id })
      await room.work()
      await room.untilEnded(NUMBERS.length + 1)
    },
  },
  {
    name: 'a job is enqueued that nobody asked for',
    kind: 'unexpected',
    run: async (room) => {
      await room.runAll()
      await room.enqueueOne(EXTRA)
      await room.untilEnded(NUMBERS.length + 1)
    },
  },
  {
    name: 'an enqueue is refused after it was written',
    kind: 'refused-but-stored',
    run: async (room) => {
      await room.runAll()
      room.note({ e: 'try', id: `j-${EXTRA}` }, { e: 'refused', id: `j-${EXTRA}`, code: 'REDIS_FULL' })
      await room.enqueueOne(EXTRA)
      await room.untilEnded(NUMBERS.length + 1)
    },
  },
]
