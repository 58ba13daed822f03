import { describe, expect, it } from 'vitest'
import * as door from '../../../src/job/index.js'
import { DroverError, isDroverError } from '../../../src/job/index.js'

const cause = new Error('inner')
const issues = [{ path: '$.a', message: 'expected string' }]

// One of every class (the first fact fails for one that is missing): [error, code, fields that its message shows].
const all: [DroverError, string, Record<string, unknown>][] = [
  [new door.ContractError(['a: bad', 'b: bad'], 'x'), 'CONTRACT_INVALID', { problems: ['a: bad', 'b: bad'], job: 'x' }],
  [new door.InvalidOptionError('delay', 'a duration', -5), 'INVALID_OPTION', { option: 'delay', got: '-5' }],
  [
    new door.UnknownOptionError('delya', 'delay', 'enqueue'),
    'UNKNOWN_OPTION',
    { option: 'delya', suggestion: 'delay', where: 'enqueue' },
  ],
  [new door.UnknownJobError('resiz', 'resize'), 'UNKNOWN_JOB', { job: 'resiz', suggestion: 'resize' }],
  [new door.InvalidInputError('x', issues, { cause }), 'INVALID_INPUT', { job: 'x' }],
  [new door.InvalidResultError('x', issues), 'INVALID_RESULT', { job: 'x' }],
  [new door.NotJsonError('$.a', 'NaN', { of: 'input' }), 'NOT_JSON', { path: '$.a', what: 'NaN', of: 'input' }],
  [new door.TooLargeError('input', 12, 9), 'TOO_LARGE', { what: 'input', bytes: 12, maxBytes: 9 }],
  [new door.InvalidJobIdError('a:b'), 'INVALID_JOB_ID', { got: '"a:b"' }],
  [new door.InvalidQueueNameError('a:b'), 'INVALID_QUEUE_NAME', { got: '"a:b"' }],
  [new door.InvalidCounterNameError('a:b'), 'INVALID_COUNTER_NAME', { got: '"a:b"' }],
  [new door.InvalidPrefixError('{a}', 'no braces'), 'INVALID_PREFIX', { got: '"{a}"', expected: 'no braces' }],
  [new door.EmptyBulkError(), 'EMPTY_BULK', {}],
  [
    new door.IdempotencyConflictError('x', 'order-7', 'j1'),
    'IDEMPOTENCY_CONFLICT',
    { job: 'x', key: 'order-7', jobId: 'j1' },
  ],
  [new door.QueueFullError('media', 12, 9), 'QUEUE_FULL', { queue: 'media', depth: 12, maxDepth: 9 }],
  [new door.MiddlewareError('run', 'it is odd'), 'MIDDLEWARE', { side: 'run', reason: 'it is odd' }],
  [new door.StartByPassedError('j1', 0), 'START_BY_PASSED', { jobId: 'j1' }],
  [new door.BulkItemError(7, 5, cause), 'BULK_ITEM_INVALID', { index: 7, enqueued: 5, cause }],
  [new door.NoHandlerError('x', 'media'), 'NO_HANDLER', { job: 'x', queue: 'media' }],
  [new door.ConfigError(['REDIS_PORT: bad']), 'CONFIG_INVALID', { problems: ['REDIS_PORT: bad'] }],
  [new door.JobFileError('jobs/a.ts', cause), 'JOB_FILE_INVALID', { file: 'jobs/a.ts', cause }],
  [new door.PortInUseError(3000), 'PORT_IN_USE', { port: 3000 }],
  [new door.TokenNotFoundError('0a1b2c'), 'TOKEN_NOT_FOUND', { tokenId: '0a1b2c' }],
  [new door.JobNotFoundError('j1', 'media'), 'JOB_NOT_FOUND', { id: 'j1', queue: 'media' }],
  [
    new door.JobStateError('j1', 'media', 'active', 'cancelled'),
    'JOB_STATE',
    { id: 'j1', queue: 'media', state: 'active', action: 'cancelled' },
  ],
  [new door.ErrorGroupNotFoundError('a1', 'media'), 'ERROR_GROUP_NOT_FOUND', { group: 'a1', queue: 'media' }],
  [new door.NoFailedJobsError('media', 'tag x'), 'NO_FAILED_JOBS', { queue: 'media', wanted: 'tag x' }],
  [new door.ReplayNotFoundError('a1', 'media'), 'REPLAY_NOT_FOUND', { id: 'a1', queue: 'media' }],
  [new door.DiscardNotFoundError('a1', 'media'), 'DISCARD_NOT_FOUND', { id: 'a1', queue: 'media' }],
  [new door.TokenRequiredError('0.0.0.0'), 'TOKEN_REQUIRED', { host: '0.0.0.0' }],
  [new door.ClosedError('producer'), 'CLOSED', { what: 'producer' }],
  [new door.PermanentError('gone', { cause }), 'PERMANENT', { cause }],
  [new door.SnoozeError(60_000, undefined, { cause }), 'SNOOZE', { cause, snoozeMs: 60_000 }],
  [new door.StepRejectedError('step "a"', 'odd'), 'STEP_REJECTED', { step: 'step "a"', reason: 'odd' }],
  [new door.BatchAnswerError(3, 'a list of 2'), 'BATCH_ANSWER', { items: 3, got: 'a list of 2' }],
  [new door.BatchCallError(3, cause), 'BATCH_CALL', { items: 3, cause }],
  [new door.SnoozeLimitError(10_001), 'SNOOZE_LIMIT', { starts: 10_001 }],
  [new door.RetryUntilPassedError(60_000, 'busy'), 'RETRY_UNTIL_PASSED', { retryUntilMs: 60_000, lastError: 'busy' }],
  [new door.RetryInError(30_000), 'RETRY_IN', { retryMs: 30_000 }],
  [new door.HandlerExitedError('its process ended', { cause }), 'HANDLER_EXITED', { how: 'its process ended', cause }],
  [new door.CommandNotStartedError('job.py', { cause }), 'COMMAND_NOT_STARTED', { command: 'job.py', cause }],
  [
    new door.CommandFailedError('job.py', { exitCode: 3 }, 'no such file'),
    'COMMAND_FAILED',
    { command: 'job.py', exitCode: 3, lastLine: 'no such file' },
  ],
  [
    new door.CommandOutputError('job.py', 'it is not one JSON value'),
    'COMMAND_OUTPUT',
    { command: 'job.py', reason: 'it is not one JSON value' },
  ],
  [
    new door.InputVersionError('x', 1, 3, 'it has no upcast for version 2', { cause }),
    'INPUT_VERSION',
    { job: 'x', version: 1, known: 3, reason: 'it has no upcast for version 2', cause },
  ],
  [new door.JobDeadlineError(5_000), 'JOB_DEADLINE', { deadlineMs: 5_000 }],
  [new door.JobTimeoutError(5_000), 'JOB_TIMEOUT', { timeoutMs: 5_000 }],
  [new door.JobCrashedError(5, 3), 'JOB_CRASHED', { crashes: 5, alone: 3 }],
  [new door.LockLostError('j1'), 'LOCK_LOST', { jobId: 'j1' }],
  [new door.ShutdownError(), 'SHUTDOWN', {}],
  [new door.CancelledError('by hand'), 'CANCELLED', { reason: 'by hand' }],
  [
    new door.EffectRejectedError('LPUSH', 'k', 'wrong type'),
    'EFFECT_REJECTED',
    { command: 'LPUSH', key: 'k', reason: 'wrong type' },
  ],
  [new door.EffectLimitError('writes', 1001, 1000), 'EFFECT_LIMIT', { what: 'writes', count: 1001, limit: 1000 }],
  [new door.ResultNotFoundError('j1', 'media'), 'RESULT_NOT_FOUND', { id: 'j1', queue: 'media' }],
  [
    new door.ResultWaitTimeoutError('j1', 'media', 60_000),
    'RESULT_WAIT_TIMEOUT',
    { id: 'j1', queue: 'media', timeoutMs: 60_000 },
  ],
  [
    new door.RedisUnavailableError('enqueue', 5_000, { jobId: 'j1', cause }),
    'REDIS_UNAVAILABLE',
    { operation: 'enqueue', timeoutMs: 5_000, jobId: 'j1', cause },
  ],
  [new door.RedisAuthError('h:6379', 'WRONGPASS'), 'REDIS_AUTH', { address: 'h:6379', reply: 'WRONGPASS' }],
  [new door.RedisUrlError('the port is not a number'), 'REDIS_URL_INVALID', { problem: 'the port is not a number' }],
  [new door.RedisTooOldError('5.0.3', '6.2'), 'REDIS_TOO_OLD', { found: '5.0.3', minimum: '6.2' }],
  [
    new door.RedisNotDurableError('maxmemory-policy is allkeys-lru'),
    'REDIS_NOT_DURABLE',
    { problem: 'maxmemory-policy is allkeys-lru' },
  ],
  [
    new door.UnsupportedBullmqError('moveToFinished', '14 keys', '15 keys'),
    'UNSUPPORTED_BULLMQ',
    { script: 'moveToFinished', expected: '14 keys', found: '15 keys' },
  ],
  [new door.CounterNotIntegerError('bytes'), 'COUNTER_NOT_INTEGER', { counter: 'bytes' }],
  [new door.CounterOverflowError('bytes'), 'COUNTER_OVERFLOW', { counter: 'bytes' }],
  [new door.RedisFullError('enqueue'), 'REDIS_FULL', { operation: 'enqueue' }],
  [
    new door.NotReplicatedError('enqueue', 1_000, 'j1'),
    'NOT_REPLICATED',
    { operation: 'enqueue', waitMs: 1_000, jobId: 'j1' },
  ],
  [new door.KeyVersionError('99', '1'), 'KEY_VERSION', { found: '99', expected: '1' }],
  [
    new door.RedisRefusedError('enqueue', 'NOPERM no rights'),
    'REDIS_REFUSED',
    { operation: 'enqueue', reply: 'NOPERM no rights' },
  ],
  [
    new door.RedisBinaryMissingError(['/usr/bin'], { Debian: 'apt' }),
    'REDIS_BINARY_MISSING',
    { folders: ['/usr/bin'] },
  ],
  [new door.RedisStartError('.drover', 'it ended'), 'REDIS_START_FAILED', { dir: '.drover', reason: 'it ended' }],
  [new door.RedisDirInUseError('.drover', 42), 'REDIS_DIR_IN_USE', { dir: '.drover', pid: 42 }],
  [new door.UsageError('unknown command', { cause }), 'USAGE', { cause }],
  [
    new door.QueueNotFoundError('medai', 'drover', 'media'),
    'QUEUE_NOT_FOUND',
    { queue: 'medai', prefix: 'drover', suggestion: 'media' },
  ],
  [new door.FlowError('no cycle', 'a, b', 'why'), 'INVALID_FLOW', { expected: 'no cycle', got: 'a, b', reason: 'why' }],
  [new door.EmptyFlowError(), 'EMPTY_FLOW', {}],
  [new door.DependencyError('fetch', 'gone'), 'DEPENDENCY', { dependency: 'fetch', reason: 'gone' }],
  [new door.ScheduleNotFoundError('nightly', 'media'), 'SCHEDULE_NOT_FOUND', { schedule: 'nightly', queue: 'media' }],
  [new door.JobNotFinishedError('j1', 'media'), 'JOB_NOT_FINISHED', { id: 'j1', queue: 'media' }],
  [
    new door.InterruptedError('SIGINT', 'the job goes on'),
    'INTERRUPTED',
    { signal: 'SIGINT', done: 'the job goes on' },
  ],
]

describe('errors', () => {
  it('has every class of the door in the table of these facts', () => {
    const classes = Object.values(door).filter(
      (value) => typeof value === 'function' && value.prototype instanceof DroverError,
    )
    expect(new Set(all.map(([error]) => error.constructor))).toEqual(new Set(classes))
  })

  it.each(all)('%s has the code %s and its fields', (error, code, fields) => {
    expect(error).toMatchObject({ code, ...fields })
    expect(error.name).toBe(error.constructor.name)
    expect(error.stack).toContain(error.name)
    expect(Object.keys(error)).not.toContain('name')
    expect(isDroverError(error)).toBe(true)
  })

  it('gives each class its own code in upper snake case', () => {
    const codes = all.map(([, code]) => code)
    expect(new Set(codes).size).toBe(codes.length)
    for (const code of codes) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
  })

  it.each(all)('%s shows in its message every value that it has a field for', (error, _code, fields) => {
    for (const [field, value] of Object.entries(fields)) {
      if (['cause', 'timeoutMs', 'deadlineMs', 'retryMs', 'retryUntilMs', 'snoozeMs'].includes(field)) continue
      for (const part of Array.isArray(value) ? value : [value]) expect(error.message).toContain(String(part))
    }
  })

  it('keeps the first 20 issues, counts all, and cuts long ones', () => {
    const many = Array.from({ length: 50 }, (_, index) => ({ path: `$[${index}]`, message: 'm'.repeat(10_000) }))
    const error = new door.InvalidInputError('x', many)
    expect(error.issues).toHaveLength(20)
    expect(error.issueCount).toBe(50)
    expect(error.issues[0]?.message).toHaveLength(200)
    expect(error.message).toMatch(/\n- and 30 more$/)
    expect(new door.InvalidInputError('x', issues, { issueCount: 9 }).message).toMatch(/and 8 more$/)
  })

  it('of a Redis that is nearly full says how full', () => {
    expect(new door.RedisFullError('the enqueue', { usedPercent: 86 })).toMatchObject({
      usedPercent: 86,
      message: expect.stringMatching(/has used 86 % of its maxmemory.* the enqueue was not sent/),
    })
  })

  it('says so when no known name is near', () => {
    expect(new door.UnknownJobError('zzz').message).toBe('unknown job "zzz": nothing known has a similar name')
  })

  it.each(['redis://admin:tr0ub4dor@host:6379/0', 'rediss://:tr0ub4dor@host', 'redis://admin:tr0ub@4dor@host'])(
    'hides the credentials of %s as an option value',
    (url) => {
      const error = new door.InvalidOptionError('redis', 'a Redis URL', url)
      expect(`${error.message} ${error.got}`).not.toContain('tr0ub')
      expect(`${error.message} ${error.got}`).not.toContain('4dor')
    },
  )

  it('cuts long names and keys in messages', () => {
    const long = 'x'.repeat(1_000_000)
    const errors = [
      new door.UnknownOptionError(long),
      new door.UnknownJobError(long),
      new door.InvalidJobIdError(long),
      new door.InvalidOptionError('id', 'less', long),
      new door.EffectRejectedError('SET', long, 'too long'),
    ]
    for (const error of errors) expect(error.message.length).toBeLessThan(400)
  })

  it('names the id to repeat an enqueue with', () => {
    expect(new door.RedisUnavailableError('enqueue', 5_000, { jobId: 'j1' }).message).toContain(
      'repeat it with id "j1"',
    )
    expect(new door.RedisUnavailableError('counters.get', 5_000).message).not.toContain('undefined')
  })
})

describe('isDroverError', () => {
  it('knows errors of another copy of this package, and refuses the rest', () => {
    const foreign = Object.assign(new Error('x'), { [Symbol.for('drover.error')]: true })
    expect(isDroverError(foreign)).toBe(true)
    const others = [new Error('x'), { code: 'PERMANENT' }, undefined, null, 'x']
    expect(others.map(isDroverError)).toEqual(others.map(() => false))
  })
})

describe('snooze', () => {
  it('returns the error to throw, with the time in milliseconds', () => {
    expect(door.snooze('10m', 'too early')).toMatchObject({ code: 'SNOOZE', snoozeMs: 600_000, message: 'too early' })
  })

  it.each([-1, 0, 99, Number.NaN, 'soon', '366d'])('refuses %j', (duration) => {
    expect(() => door.snooze(duration as number)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'snooze' }),
    )
  })
})

describe('retryIn', () => {
  it('returns the error to throw, with the time in milliseconds', () => {
    expect(door.retryIn('30s', 'rate limited')).toMatchObject({
      code: 'RETRY_IN',
      retryMs: 30_000,
      message: 'rate limited',
    })
    expect(door.retryIn(0)).toMatchObject({ retryMs: 0, message: 'the handler asked for a retry in 0ms' })
  })

  it.each([-1, Number.NaN, 'soon', '366d'])('refuses %j', (duration) => {
    expect(() => door.retryIn(duration as number)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option: 'retryIn' }),
    )
  })
})
