import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { DroverError, defineJob, InvalidOptionError, UnknownOptionError } from '../../../src/job/index.js'
import { handle } from '../../../src/worker/index.js'
import { checkWorkerOptions } from '../../../src/worker/worker-options.js'

const handlerOf = (name: string, queue: string) => handle(defineJob({ name, queue, input: z.any() }), () => 1)
const [resize, crop, mail] = [handlerOf('resize', 'media'), handlerOf('crop', 'media'), handlerOf('send', 'mail')]
const handlers = [resize, crop, mail]
const check = (options: object) => checkWorkerOptions(options as never)

function refusal(options: unknown): DroverError {
  try {
    checkWorkerOptions(options as never)
  } catch (error) {
    return error as DroverError
  }
  throw new Error('the options were taken')
}

describe('the options of a worker', () => {
  it('have these defaults, with a queue for each that the handlers are of', () => {
    const { prefix, shutdownMs, queues } = check({ handlers })
    expect([prefix, shutdownMs]).toEqual(['drover', 25_000])
    expect(queues.map(({ queue, concurrency, handlers }) => [queue, concurrency, [...handlers.keys()]])).toEqual([
      ['media', 10, ['resize', 'crop']],
      ['mail', 10, ['send']],
    ])
    expect(queues[0]).toMatchObject({
      prefix: 'drover',
      lockMs: 3_000,
      stalledIntervalMs: 500,
      keepCompleted: 100,
      keepFailed: 10_000,
    })
  })

  it('say which queues to work and how much of each at once', () => {
    const both = check({ handlers, queues: { media: 3, mail: { concurrency: 7 } }, concurrency: 99 }).queues
    expect(both.map(({ queue, concurrency }) => [queue, concurrency])).toEqual([
      ['media', 3],
      ['mail', 7],
    ])
    expect(check({ handlers, queues: { mail: 1 } }).queues.map(({ queue }) => queue)).toEqual(['mail'])
    expect(check({ handlers, concurrency: 2 }).queues.map(({ concurrency }) => concurrency)).toEqual([2, 2])
  })

  it('end a blocked process only after what is asked for, never for zero', () => {
    const limits = [undefined, 0, '2m'] as const
    const checked = limits.map((maxBlocked) => check({ handlers, ...(maxBlocked !== undefined && { maxBlocked }) }))
    expect(checked.map(({ maxBlockedMs }) => maxBlockedMs)).toEqual([undefined, 0, 120_000])
  })

  it('take zero where it means something', () => {
    const { shutdownMs, queues } = check({ handlers, shutdownTimeout: 0, keepCompleted: 0 })
    expect([shutdownMs, queues[0]?.keepCompleted]).toEqual([0, 0])
  })

  it.each<[string, unknown, string]>([
    ['none at all', undefined, 'option options: expected an object of options for createWorker, got undefined'],
    ['null', null, 'got null'],
    ['a text', 'redis://', 'option options: expected an object'],
    ['no handlers', {}, 'option handlers: expected an array of what handle() returned, got undefined'],
    ['an empty list of handlers', { handlers: [] }, 'option handlers: expected at least one handler'],
    ['a handler that is none', { handlers: [resize, () => 1] }, 'option handlers[1]: expected what handle() returned'],
    ['two handlers of one job', { handlers: [resize, handlerOf('resize', 'media')] }, 'two for resize'],
    [
      'a queue no handler is for',
      { handlers, queues: { video: 1 } },
      'option queues: expected queues that a handler is for',
    ],
    ['no queues', { handlers, queues: {} }, 'option queues: expected at least one queue, got an object'],
    ['queues that are no object', { handlers, queues: 5 }, 'option queues: expected an object of queues, got 5'],
    [
      'a list of queues',
      { handlers, queues: ['media'] },
      'option queues: expected an object of queues, got an array of 1',
    ],
    [
      'a concurrency of zero',
      { handlers, queues: { media: 0 } },
      'option queues.media: expected a whole number from 1',
    ],
    ['a concurrency that is no number', { handlers, concurrency: '5' }, 'option concurrency: expected a whole number'],
    ['a concurrency that is missing', { handlers, queues: { media: {} } }, 'option queues.media: expected a whole'],
    ['null for a queue', { handlers, queues: { media: null } }, 'option queues.media: expected a whole number'],
    ['a concurrency above all', { handlers, concurrency: 10_001 }, 'from 1 to 10000, got 10001'],
    ['a prefix with a brace', { handlers, prefix: '{x}' }, 'invalid key prefix'],
    ['a lock too short to keep', { handlers, lockDuration: '999ms' }, 'option lockDuration: expected'],
    ['a negative shutdown', { handlers, shutdownTimeout: -1 }, 'option shutdownTimeout: expected'],
    ['no interval', { handlers, stalledInterval: 0 }, 'option stalledInterval: expected'],
    ['a block too short to judge', { handlers, maxBlocked: '999ms' }, 'option maxBlocked: expected'],
    ['keeping no failed job', { handlers, keepFailed: 0 }, 'option keepFailed: expected a whole number from 1'],
  ])('are refused with their name, what was expected and what came: %s', (_what, options, message) => {
    const error = refusal(options)
    expect(error).toBeInstanceOf(DroverError)
    expect(error.message).toContain(message)
  })

  it('that do not exist are refused with the nearest one, also inside of a queue', () => {
    expect(refusal({ handlers, concurency: 5 })).toMatchObject({ option: 'concurency', suggestion: 'concurrency' })
    const nested = refusal({ handlers, queues: { media: { concurrency: 1, concurency: 2 } } })
    expect(nested).toBeInstanceOf(UnknownOptionError)
    expect(nested).toMatchObject({ option: 'concurency', suggestion: 'concurrency', where: 'queues.media' })
    expect(refusal({ handlers, concurrency: Number.NaN })).toBeInstanceOf(InvalidOptionError)
  })
})
