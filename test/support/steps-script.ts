// A worker process whose jobs are many steps, or share calls, for tests of its death in the midst of them. argv: Redis URL,
// a file that it appends a line to for each thing that it does, an oracle outside of Redis, and after how many lines it
// ends itself by SIGKILL; 0: never.
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { createWorker, handle, handleBatch } from '../../src/worker/index.js'

const [redis = '', file = '', lastLine = '0'] = process.argv.slice(2)
let linesLeft = Number(lastLine)
const note = (...words: (string | number)[]) => {
  appendFileSync(file, `${words.join(' ')}\n`)
  if (--linesLeft === 0) process.kill(process.pid, 'SIGKILL')
}

const contract = defineJob({ name: 'steps', queue: 'steps', input: z.object({ steps: z.number() }), attempts: 1 })
const row = defineJob({ name: 'row', queue: 'rows', input: z.object({ n: z.number() }), attempts: 1 })

await createWorker({
  redis,
  handlers: [
    handle(contract, async ({ steps }, ctx) => {
      for (let step = 0; step < steps; step++) {
        const value = await ctx.step(`step ${step}`, () => {
          note('run', ctx.id, step)
          return `${ctx.id} ${step}`
        })
        note('kept', value)
        await ctx.checkpoint({ step })
        // What it was given is on the disk before the next one starts: a kill may come here, and anywhere else.
        const state = await ctx.checkpointed<{ step: number }>()
        if (state?.step !== step) note('wrong', ctx.id, step)
      }
      ctx.counter('jobs').add()
      return steps
    }),
    handleBatch(row, { size: 10, wait: '20ms' }, async (items) => {
      note('call', items.length)
      await sleep(10)
      return items.map(({ input: { n }, ctx }) => {
        ctx.counter('sum').add(n)
        ctx.effects.rpush('rows', n)
        return n
      })
    }),
  ],
  queues: { steps: 4, rows: 20 },
  lockDuration: '4s',
  stalledInterval: 100,
  logger: pino({ level: 'silent' }),
})
