import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ContractError, defineJob, isJobContract } from '../../../src/job/index.js'

const input = z.object({ url: z.string() })
const valid = { name: 'image.resize', queue: 'media', input }

function problemsOf(options: unknown): readonly string[] {
  try {
    defineJob(options as typeof valid)
  } catch (error) {
    if (error instanceof ContractError) return error.problems
    throw error
  }
  return []
}

describe('defineJob', () => {
  it('fills in the defaults', () => {
    expect(defineJob(valid)).toEqual({
      name: 'image.resize',
      queue: 'media',
      input,
      output: undefined,
      attempts: 3,
      backoff: { type: 'exponential', delayMs: 1_000, jitter: 0.5, maxDelayMs: 3_600_000 },
      timeoutMs: 300_000,
      keepResultMs: 86_400_000,
      maxInputBytes: 262_144,
      maxResultBytes: 1_048_576,
      version: 1,
      upcast: undefined,
    })
  })

  it('turns durations into milliseconds and keeps what it is given', () => {
    const output = z.object({ bytes: z.number() })
    const contract = defineJob({
      ...valid,
      output,
      attempts: 5,
      backoff: { type: 'fixed', delay: '2s', jitter: 0, maxDelay: '1m' },
      timeout: '30s',
      keepResult: '7d',
      maxInputBytes: 1,
      maxResultBytes: 67_108_864,
    })
    expect(contract).toMatchObject({
      output,
      attempts: 5,
      backoff: { type: 'fixed', delayMs: 2_000, jitter: 0, maxDelayMs: 60_000 },
      timeoutMs: 30_000,
      keepResultMs: 604_800_000,
      maxInputBytes: 1,
      maxResultBytes: 67_108_864,
    })
  })

  it('returns a contract that cannot be changed', () => {
    const contract = defineJob(valid)
    expect(Object.isFrozen(contract) && Object.isFrozen(contract.backoff)).toBe(true)
  })

  it('lets a delay beyond the default maximum stand as its own maximum', () => {
    expect(defineJob({ ...valid, backoff: { delay: '2h' } }).backoff.maxDelayMs).toBe(7_200_000)
  })

  it.each(['a', '0', 'image.resize', 'A_b-c.9', 'x'.repeat(128)])('accepts the job name %s', (name) => {
    expect(problemsOf({ ...valid, name })).toEqual([])
  })

  it.each([
    '',
    ' ',
    '.a',
    '-a',
    '_a',
    'a b',
    'a|b',
    'a:b',
    'a{b}',
    'a/b',
    'ä',
    'a\n',
    'x'.repeat(129),
    5,
    null,
    undefined,
  ])('refuses the job name %j', (name) => {
    expect(problemsOf({ ...valid, name })).toEqual([expect.stringMatching(/^name: expected 1 to 128 characters/)])
  })

  it.each(['', '.a', 'a|b', 'a:b', '{a}', 'a\n', 'x'.repeat(65), 5, null, undefined, Object.create(null)])(
    'refuses the queue name %j',
    (queue) => {
      expect(problemsOf({ ...valid, queue })).toEqual([expect.stringMatching(/^queue: expected 1 to 64 characters/)])
    },
  )

  it('accepts a queue name of 64 characters', () => {
    expect(problemsOf({ ...valid, queue: 'q'.repeat(64) })).toEqual([])
  })

  it.each<[string, unknown]>([
    ['attempts', 0],
    ['attempts', -1],
    ['attempts', 1001],
    ['attempts', 1.5],
    ['attempts', 'x'],
    ['attempts', '3'],
    ['attempts', Number.NaN],
    ['attempts', null],
    ['deadline', 0],
    ['deadline', '366d'],
    ['deadline', null],
    ['timeout', 0],
    ['timeout', '31d'],
    ['timeout', '-1s'],
    ['timeout', 'soon'],
    ['timeout', null],
    ['keepResult', 999],
    ['keepResult', '366d'],
    ['keepResult', Number.NaN],
    ['maxInputBytes', 0],
    ['maxInputBytes', 67_108_865],
    ['maxInputBytes', '1mb'],
    ['maxResultBytes', -1],
    ['input', undefined],
    ['input', {}],
    ['input', null],
    ['output', null],
    ['output', () => true],
    ['backoff', null],
    ['backoff', 5],
    ['backoff', ['exponential']],
  ])('refuses %s: %j', (option, value) => {
    expect(problemsOf({ ...valid, [option]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${option}: expected .*, got `)),
    ])
  })

  it.each([
    [{ attempts: 1, timeout: 1, keepResult: '1s' }],
    [{ attempts: 1000, timeout: '30d', keepResult: '365d' }],
    [{ backoff: { delay: 0, jitter: 1 } }],
    [{ backoff: { delay: '30d', maxDelay: '30d' } }],
  ])('accepts the ends of the ranges %j', (options) => {
    expect(problemsOf({ ...valid, ...options })).toEqual([])
  })

  it.each<[string, unknown]>([
    ['type', 'linear'],
    ['type', null],
    ['delay', -1],
    ['delay', '31d'],
    ['jitter', -0.1],
    ['jitter', 1.1],
    ['jitter', '0.5'],
    ['jitter', Number.NaN],
    ['maxDelay', '31d'],
    ['maxDelay', '500ms'],
  ])('refuses backoff.%s: %j', (option, value) => {
    expect(problemsOf({ ...valid, backoff: { [option]: value } })).toEqual([
      expect.stringMatching(new RegExp(`^backoff\\.${option}: expected .*, got `)),
    ])
  })

  it('reads a list of waits, and a custom one', () => {
    const list = { type: 'list', delays: ['1s', 10_000, '1m'], jitter: 0 } as const
    const delaysMs = [1_000, 10_000, 60_000]
    const cap = { maxDelayMs: 3_600_000 }
    expect(defineJob({ ...valid, backoff: list }).backoff).toEqual({
      type: 'list',
      delayMs: 1_000,
      delaysMs,
      jitter: 0,
      ...cap,
    })
    expect(defineJob({ ...valid, backoff: { type: 'list', delays: ['2h'] } }).backoff.maxDelayMs).toBe(7_200_000)
    expect(defineJob({ ...valid, backoff: { type: 'custom' } }).backoff).toEqual({
      ...{ type: 'custom', delayMs: 1_000, jitter: 0 },
      ...cap,
    })
  })

  it.each<[object, RegExp]>([
    [{ type: 'list' }, /^backoff.delays: expected a list of 1 to 100 durations, got undefined/],
    [{ type: 'list', delays: [] }, /^backoff.delays: expected a list of 1 to 100 durations/],
    [{ type: 'list', delays: Array(101).fill(1) }, /^backoff.delays: expected a list of 1 to 100 durations/],
    [{ type: 'list', delays: '1s' }, /^backoff.delays: expected a list/],
    [{ type: 'list', delays: ['1s', -1] }, /^backoff.delays\[1\]: expected a duration from 0ms to 30d/],
    [{ type: 'list', delays: ['31d'] }, /^backoff.delays\[0\]: expected a duration/],
    [{ type: 'list', delays: [1, undefined] }, /^backoff.delays\[1\]: expected a duration/],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    [{ type: 'list', delays: [1, , 2] }, /^backoff.delays\[1\]: expected a duration/],
    [{ type: 'list', delays: ['1m'], maxDelay: '1s' }, /^backoff.maxDelay: expected a duration from 1m/],
    [{ type: 'list', delays: [1], delay: 1 }, /^backoff.delay: expected delays alone with type 'list'/],
    [{ delays: [1] }, /^backoff.delays: expected type 'list' beside it/],
    [{ type: 'costum' }, /^backoff.type: .* did you mean 'custom'\?$/],
  ])('refuses the backoff %j', (backoff, problem) => {
    expect(problemsOf({ ...valid, backoff })).toEqual([expect.stringMatching(problem)])
  })

  it('reads until when to retry, which stands for the number of attempts', () => {
    expect(defineJob({ ...valid, retryUntil: '2h' })).toMatchObject({ retryUntilMs: 7_200_000, attempts: 1_000 })
    expect(defineJob({ ...valid, retryUntil: '2h', attempts: 4 }).attempts).toBe(4)
    expect('retryUntilMs' in defineJob(valid)).toBe(false)
  })

  it.each([0, -1, '366d', 'soon', null, Number.NaN])('refuses retryUntil: %j', (retryUntil) => {
    expect(problemsOf({ ...valid, retryUntil })).toEqual([expect.stringMatching(/^retryUntil: expected a duration/)])
  })

  it('refuses unknown options with the nearest known one', () => {
    expect(problemsOf({ ...valid, atempts: 3, colour: 'red', backoff: { jiter: 1 } })).toEqual([
      'unknown option atempts: did you mean attempts?',
      expect.stringMatching(/^unknown option colour: expected one of name, queue, input, output, attempts, /),
      'unknown option backoff.jiter: did you mean backoff.jitter?',
    ])
  })

  it('lists every problem at once, and names the job when its name is good', () => {
    expect(() => defineJob({ ...valid, queue: 'a:b', attempts: 0, timeout: 'x' } as never)).toThrow(
      expect.objectContaining({
        name: 'ContractError',
        code: 'CONTRACT_INVALID',
        job: 'image.resize',
        problems: [expect.any(String), expect.any(String), expect.any(String)],
        message: expect.stringMatching(/^defineJob for job "image.resize":\n- queue: .*\n- attempts: .*\n- timeout: /),
      }),
    )
  })

  it.each([undefined, null, 'x', 5, [], () => 1])('refuses %o in place of options', (options) => {
    expect(problemsOf(options)).toEqual([expect.stringMatching(/^expected an object of options, got /)])
  })

  it('takes no option from a prototype that was polluted', () => {
    const polluted = JSON.parse('{"__proto__":{"attempts":9}}')
    expect(problemsOf({ ...valid, backoff: polluted })).toEqual([
      expect.stringContaining('unknown option backoff.__proto__'),
    ])
  })
})

describe('isJobContract', () => {
  it('knows contracts, and those of another copy of this package', () => {
    const foreign = { name: 'a', [Symbol.for('drover.contract')]: true }
    expect([defineJob(valid), foreign].map(isJobContract)).toEqual([true, true])
  })

  it('refuses look-alikes', () => {
    expect([undefined, null, 'x', {}, valid, { ...defineJob(valid) }].map(isJobContract)).toEqual(Array(6).fill(false))
  })
})
