// What a job keeps between its attempts: steps, a checkpoint, and functions that run once for a key of the queue.
import { Queue } from 'bullmq'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { handle, type JobContext } from '../../src/worker/index.js'
import { createGate, useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const input = z.object({ n: z.number() })
const jobKey = (job: { queue: string; id: string }) => `${shop.keys(job.queue).bullBase}${job.id}`
const keptOf = async (job: { queue: string; id: string }) => {
  return Object.entries(await shop.redis.hgetall(jobKey(job))).filter(
    ([field]) => field.startsWith('drover:step') || field === 'drover:checkpoint',
  )
}
const define = (queue: string, options: object = {}) => {
  return defineJob({ name: 'job', queue, input, backoff: { delay: 0 }, ...options })
}
const work = (queue: string, run: (ctx: JobContext) => unknown, options: object = {}, worker: object = {}) => {
  const contract = define(queue, options)
  return shop
    .work([handle(contract, (_input, ctx) => run(ctx))], worker)
    .then((started) => ({ contract, worker: started }))
}
const enqueue = (contract: ReturnType<typeof define>) => shop.producer.enqueue(contract, { n: 1 })

describe('a step', () => {
  it('that came to its end is not run again, later attempts have its result, and a completed job keeps nothing', async () => {
    const runs: string[] = []
    const seen: unknown[] = []
    const { contract } = await work(
      'steps',
      async (ctx) => {
        const first = await ctx.step('read it', () => {
          runs.push(`first ${ctx.attempt}`)
          return { a: [1, 'ü', null], left: undefined }
        })
        const [second, nothing] = await Promise.all([
          ctx.step('second:größer', async () => {
            runs.push(`second ${ctx.attempt}`)
            if (ctx.attempt === 1) throw new Error('the second')
            return ctx.attempt
          }),
          ctx.step('nothing', () => void runs.push(`nothing ${ctx.attempt}`)),
        ])
        seen.push([first, second, nothing])
        if (ctx.attempt === 2) throw new Error('after all')
        return second
      },
      { attempts: 3 },
    )
    const job = await enqueue(contract)
    expect(await shop.end(job)).toMatchObject({ status: 'completed', value: 2, attempts: 3 })
    expect(runs.sort()).toEqual(['first 1', 'nothing 1', 'second 1', 'second 2'])
    expect(seen).toEqual([
      [{ a: [1, 'ü', null] }, 2, undefined],
      [{ a: [1, 'ü', null] }, 2, undefined],
    ])
    expect(await keptOf(job)).toEqual([])
    expect(await shop.redis.hget(jobKey(job), 'name')).toBe('job')
  })

  it('stays through a snooze and a shutdown', async () => {
    const runs: string[] = []
    const started = createGate()
    const run = async (ctx: JobContext) => {
      await ctx.step('one', () => runs.push('one'))
      if (ctx.fence.token === 1) ctx.snooze(100)
      await ctx.step('two', () => runs.push('two'))
      started.open()
      if (ctx.fence.token === 2) await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    }
    const { contract, worker } = await work('stays', run, { attempts: 1 })
    const job = await enqueue(contract)
    await started.promise
    await worker.close()
    await work('stays', run, { attempts: 1 })
    expect(await shop.end(job)).toMatchObject({ status: 'completed', attempts: 1 })
    expect(runs).toEqual(['one', 'two'])
  })

  it('of a failed job stays for a manual retry, and goes with the job', async () => {
    const runs: string[] = []
    let isGood = false
    const { contract } = await work(
      'manual',
      async (ctx) => {
        await ctx.step('one', () => void runs.push('one'))
        if (!isGood) throw new Error('no')
      },
      { attempts: 1 },
    )
    const [job, gone] = [await enqueue(contract), await enqueue(contract)]
    await Promise.all([shop.end(job), shop.end(gone)])
    expect(await keptOf(job)).toEqual([['drover:step:one', '']])
    isGood = true
    const queue = new Queue('manual', { connection: { url: shop.server.url }, prefix: shop.keys('manual').bull })
    await (await queue.getJob(job.id))?.retry()
    await expect.poll(async () => (await shop.end(job)).status).toBe('completed')
    expect(runs).toEqual(['one', 'one'])
    await queue.remove(gone.id)
    expect(await shop.redis.keys(`*${gone.id}*`)).toEqual([shop.keys('manual').result(gone.id)])
    await queue.close()
  })

  const refused: Record<string, (ctx: JobContext) => unknown> = {
    'twice in a run': async (ctx) => {
      await ctx.step('a', () => 1)
      return ctx.step('a', () => 2)
    },
    'twice at once': (ctx) => Promise.all([ctx.step('a', () => 1), ctx.step('a', () => 2)]),
    'a function as its result': (ctx) => ctx.step('a', () => () => 1),
    'NaN as its result': (ctx) => ctx.step('a', () => ({ b: [Number.NaN] })),
    'a BigInt as its result': (ctx) => ctx.step('a', () => 1n),
    'a Date as its result': (ctx) => ctx.step('a', () => new Date()),
    'too large': (ctx) => ctx.step('a', () => 'x'.repeat(262_143)),
    'too large together': async (ctx) => {
      for (let i = 0; i < 5; i++) await ctx.step(`s${i}`, () => 'x'.repeat(262_000))
    },
    'too many at once': async (ctx) => {
      await ctx.checkpoint(1)
      await Promise.all(Array.from({ length: 1_000 }, (_, n) => ctx.step(`s${n}`, () => n)))
      return ctx.step('one more', () => 1)
    },
    'a checkpoint that is not JSON': (ctx) => ctx.checkpoint({ at: new Map() } as never),
    'a checkpoint too large': (ctx) => ctx.checkpoint('x'.repeat(262_143)),
    'a result of once that is not JSON': (ctx) => ctx.once('odd', () => Symbol('x')),
  }
  const misused: Record<string, (ctx: JobContext) => unknown> = {
    'an empty name': (ctx) => ctx.step('', () => 1),
    'a long name': (ctx) => ctx.step('x'.repeat(129), () => 1),
    'a name with a line break': (ctx) => ctx.step('a\nb', () => 1),
    'a name with half a character': (ctx) => ctx.step('\ud800', () => 1),
    'a name that is none': (ctx) => ctx.step(5 as never, () => 1),
    'no function': (ctx) => ctx.step('a', 5 as never),
    'a key that is none': (ctx) => ctx.once({} as never, () => 1),
    'a negative keep': (ctx) => ctx.once('a', () => 1, { keep: -1 }),
    'an unknown option': (ctx) => ctx.once('a', () => 1, { kep: 1 } as never),
  }

  it('that cannot be kept fails its attempt, also when its handler catches that', async () => {
    const names = [...Object.keys(refused), ...Object.keys(misused)]
    const handlers = names.map((name, index) => {
      const act = (refused[name] ?? misused[name]) as (ctx: JobContext) => unknown
      return handle(defineJob({ name: `c${index}`, queue: 'refused', input, attempts: 1 }), async (_input, ctx) => {
        try {
          await act(ctx)
        } catch (error) {
          if (name in misused) throw error
        }
      })
    })
    await shop.work(handlers)
    const ended = handlers.map(async ({ contract }, index) => {
      const record = await shop.end(await shop.producer.enqueue(contract, { n: 1 }))
      return [names[index], record.status === 'failed' && record.error.code]
    })
    const code = (name: string) => [name, name in refused ? 'STEP_REJECTED' : 'INVALID_OPTION']
    expect(await Promise.all(ended)).toEqual(names.map(code))
  })

  it('may be tried again under its name when it failed', async () => {
    const { contract } = await work('again', async (ctx) => {
      await ctx.step('a', () => Promise.reject(new Error('once'))).catch(() => undefined)
      return ctx.step('a', () => 'the second time')
    })
    expect(await shop.end(await enqueue(contract))).toMatchObject({ value: 'the second time', attempts: 1 })
  })

  it('of a run whose lock is gone is not kept, and ends that run', async () => {
    const taken = createGate()
    const go = createGate()
    const seen: unknown[] = []
    const { contract, worker } = await work(
      'fenced',
      async (ctx) => {
        if (ctx.attempt > 1) return
        await ctx.step('before', () => 1)
        taken.open()
        await go.promise
        await ctx.step('after', () => 2).catch((error) => seen.push(error.code))
        await ctx.checkpoint(1).catch((error) => seen.push(error.code))
        await ctx.step('more', () => seen.push('ran')).catch((error) => seen.push(error.code))
        seen.push((ctx.signal.reason as { code: string }).code)
      },
      {},
      // Its lock is renewed so seldom that it cannot be missed before the step is.
      { lockDuration: '60s', stalledInterval: '60s' },
    )
    const job = await enqueue(contract)
    await taken.promise
    await shop.redis.set(`${jobKey(job)}:lock`, 'another-run')
    go.open()
    await expect.poll(() => seen).toEqual(['LOCK_LOST', 'LOCK_LOST', 'LOCK_LOST', 'LOCK_LOST'])
    expect(await keptOf(job)).toEqual([['drover:step:before', '1']])
    await expect.poll(() => worker.lines.some(({ msg }) => msg === 'lock lost, attempt abandoned')).toBe(true)
  })

  it('of an attempt that is over runs no more', async () => {
    const seen: unknown[] = []
    const late = createGate()
    const { contract } = await work(
      'over',
      async (ctx) => {
        if (ctx.attempt === 2) return 'done'
        await ctx
          .step('long', () => new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)))
          .catch((error) => seen.push(error.code))
        await ctx.step('next', () => seen.push('ran')).catch((error) => seen.push(error.code))
        void ctx.checkpoint(5)
        late.open()
      },
      { timeout: 200 },
    )
    const job = await enqueue(contract)
    await late.promise
    expect(await shop.end(job)).toMatchObject({ value: 'done', attempts: 2 })
    expect(seen).toEqual(['JOB_TIMEOUT', 'JOB_TIMEOUT'])
  })
})

describe('a step that nobody waits for', () => {
  it('and that fails while its attempt runs fails the attempt, and not the worker', async () => {
    const { contract } = await work(
      'floating',
      async (ctx) => {
        if (ctx.attempt === 1) void ctx.step('a', () => Promise.reject(new Error('floating step')))
        if (ctx.attempt === 2) void ctx.once('a', () => Promise.reject(new Error('floating once')))
        if (ctx.attempt === 3) void ctx.step('', () => 1)
        // Time for it to fail.
        await ctx.step('b', () => new Promise((resolve) => setTimeout(resolve, 20)))
        await ctx.checkpointed()
        await ctx.once('b', () => 1)
        return ctx.attempt
      },
      { attempts: 4 },
    )
    expect(await shop.end(await enqueue(contract))).toMatchObject({ status: 'completed', value: 4, attempts: 4 })
  })

  it('until later, or whose error is caught, fails nothing', async () => {
    const { contract } = await work(
      'later',
      async (ctx) => {
        const failing = ctx.step('a', () => Promise.reject(new Error('no')))
        ctx.step('c', () => Promise.reject(new Error('no'))).catch(() => undefined)
        await ctx.step('b', () => new Promise((resolve) => setTimeout(resolve, 20)))
        return failing.catch((error) => error.message)
      },
      { attempts: 1 },
    )
    expect(await shop.end(await enqueue(contract))).toMatchObject({ status: 'completed', value: 'no' })
  })

  it('and that its attempt does not outlast is told in the log', async () => {
    const go = createGate()
    const { contract, worker } = await work(
      'outlasts',
      async (ctx) => {
        const started = createGate()
        void ctx.step('slow', () => {
          started.open()
          return go.promise
        })
        await started.promise
        return 'done'
      },
      { attempts: 1 },
    )
    expect(await shop.end(await enqueue(contract))).toMatchObject({ status: 'completed', value: 'done' })
    go.open()
    const line = 'a step that nobody awaited failed after its attempt'
    await expect.poll(() => worker.lines.some(({ msg }) => msg === line)).toBe(true)
  })
})

describe('a checkpoint', () => {
  it('lets a loop go on where its last attempt was', async () => {
    const pages: number[] = []
    const { contract } = await work('loop', async (ctx) => {
      const { page, sum } = (await ctx.checkpointed<{ page: number; sum: number }>()) ?? { page: 0, sum: 0 }
      let total = sum
      for (let next = page; next < 9; next++) {
        pages.push(next)
        total += next
        const state = { page: next + 1, sum: total }
        await ctx.checkpoint(state)
        if (next % 4 === 3) throw new Error('between')
      }
      expect(await ctx.checkpointed()).toEqual({ page: 9, sum: 36 })
      return total
    })
    const job = await enqueue(contract)
    expect(await shop.end(job)).toMatchObject({ value: 36, attempts: 3 })
    expect(pages).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(await keptOf(job)).toEqual([])
  })
})

describe('once', () => {
  it('of many jobs at once one runs the function, and all have its result, also later', async () => {
    let runs = 0
    const { contract } = await work('tokens', async (ctx) => {
      return ctx.once(
        'token',
        async () => {
          await new Promise((resolve) => setTimeout(resolve, 50))
          return { number: ++runs }
        },
        { keep: '1h' },
      )
    })
    const jobs = await Promise.all(Array.from({ length: 8 }, () => enqueue(contract)))
    for (const job of jobs) expect(await shop.end(job)).toMatchObject({ value: { number: 1 } })
    expect(await shop.end(await enqueue(contract))).toMatchObject({ value: { number: 1 } })
    expect(runs).toBe(1)
    const ttl = await shop.redis.ttl(shop.keys('tokens').once('token'))
    expect(ttl).toBeGreaterThan(3_000)
    expect(ttl).toBeLessThanOrEqual(3_600)
  })

  it('is taken over when the function fails, or its run is gone', async () => {
    const runs: string[] = []
    const holds = createGate()
    const gone = createGate()
    const { contract } = await work(
      'over-once',
      async (ctx) => {
        return ctx.once('key', async () => {
          runs.push(ctx.id)
          if (runs.length === 1) {
            holds.open()
            await gone.promise
            throw new Error('the first')
          }
          if (runs.length === 2) {
            // As if the machine were gone: the lock is, and its job stays active.
            await shop.redis.set(`${jobKey({ queue: 'over-once', id: ctx.id })}:lock`, 'nobody')
            return 'never kept'
          }
          return 'the third'
        })
      },
      { attempts: 1 },
      { lockDuration: '60s', stalledInterval: '60s' },
    )
    const first = await enqueue(contract)
    await holds.promise
    const others = [await enqueue(contract), await enqueue(contract)]
    gone.open()
    expect(await shop.end(first)).toMatchObject({ status: 'failed', error: { message: 'the first' } })
    const third = await Promise.any(others.map((job) => shop.end(job)))
    expect(third).toMatchObject({ value: 'the third' })
    expect(runs).toHaveLength(3)
  })

  it('waits no longer than its attempt may run', async () => {
    const holds = createGate()
    const free = createGate()
    const long = define('long-once', { attempts: 1 })
    const short = define('long-once', { name: 'short', attempts: 1, timeout: 300 })
    await shop.work([
      handle(long, (_input, ctx) => {
        return ctx.once('key', () => {
          holds.open()
          return free.promise
        })
      }),
      handle(short, (_input, ctx) => ctx.once('key', () => 'not this one')),
    ])
    const holder = await enqueue(long)
    await holds.promise
    expect(await shop.end(await enqueue(short))).toMatchObject({ status: 'failed', error: { code: 'JOB_TIMEOUT' } })
    free.open()
    expect(await shop.end(holder)).toMatchObject({ status: 'completed' })
  })
})

it('a job that keeps nothing costs no command for it', async () => {
  const { contract } = await work('plain', () => 'done')
  // By its end the worker has looked for jobs in its outbox, once.
  await shop.end(await enqueue(contract))
  await shop.redis.config('RESETSTAT')
  await shop.end(await enqueue(contract))
  const stats = await shop.redis.info('commandstats')
  expect(stats).not.toContain('cmdstat_hkeys')
  expect(stats).not.toContain('cmdstat_hdel')
})
