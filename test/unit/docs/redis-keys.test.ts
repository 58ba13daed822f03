import { describe, expect, it, test } from 'vitest'
import type { StoredError } from '../../../src/job/index.js'
import { commitWords, type Outcome } from '../../../src/ledger/commit.js'
import { BUCKET_BOUNDS_MS, RESULT_VERSION } from '../../../src/ledger/index.js'
import { MAX_JOBS_OF_TAG, MAX_TAGS_OF_QUEUE, TAG_TTL_MS } from '../../../src/ledger/tags.js'
import * as keyNames from '../../../src/redis/keys.js'
import { plain, read, rows, sections } from './documents.js'

const DOCUMENT = 'docs/redis-keys.md'
const keys = keyNames.queueKeys('drover', '<queue>')
const documented = rows(DOCUMENT, 'keys').map(([key]) => plain(key))

/** What the document writes in place of a function's argument. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  schedule: '<name>',
  batch: '<id>',
  result: '<id>',
  done: '<id>',
  counter: '<name>',
  stats: '<minute>',
  statsHour: '<hour>',
  key: '<job>:<key>',
  once: '<key>',
  cache: '<job>:<hash>',
  tagged: '<tag>',
  error: '<id>',
  errorJobs: '<id>',
  replay: '<id>',
  discard: '<id>',
  autoscale: '<ms>',
  autoscaleWorkers: '<ms>',
  held: '<job>',
  limit: '<name>',
  outbox: '<other>',
  inbox: '<other>',
}

describe('the table of keys', () => {
  it('has every key of a queue, and no other', () => {
    const { tag: _tag, bull: _bull, base: _base, bullBase, ...named } = keys
    const built = Object.entries(named).map(([name, key]) => {
      return typeof key === 'string' ? key : (key as (argument: string) => string)(PLACEHOLDERS[name] ?? '?')
    })
    const shared = [
      keyNames.workersKey('drover'),
      keyNames.workerKey('drover', '<id>'),
      keyNames.workerOrdersKey('drover', '<id>'),
      keyNames.autoscaleKey('drover', '<queue>', '<ms>'),
      keyNames.autoscaleWorkersKey('drover', '<queue>', '<ms>'),
      keyNames.releasesKey('drover'),
      keyNames.queuesKey('drover'),
      keyNames.auditKey('drover'),
      keyNames.tokensKey('drover'),
      keyNames.signedOutKey('drover', '<id>'),
      keyNames.contractKey('drover'),
    ]
    expect([...documented].sort()).toEqual([...built, `${bullBase}…`, ...shared].sort())
  })

  it('has what every function for a key gives', () => {
    const functions = Object.entries(keyNames).filter(([name]) => /(Key|Channel)$/.test(name))
    expect(functions.length).toBeGreaterThan(7)
    for (const [name, build] of functions) {
      const argument = PLACEHOLDERS[name.replace(/(Key|Channel)$/, '')] ?? ''
      // A worker's keys belong to no queue, nor do those of a token.
      const words = /^(worker(Orders)?|signedOut)Key$/.test(name) ? ['<id>'] : ['<queue>', argument]
      expect(documented).toContain((build as (...words: string[]) => string)('drover', ...words))
    }
  })

  it('has the times that keys are kept', () => {
    const ttlOf = (key: string) => rows(DOCUMENT, 'keys').find((cells) => plain(cells[0]) === key)?.[4]
    expect(read('src/ledger/commit.lua')).toMatch(new RegExp(`STATS_TTL = .*\\b${48 * 3_600}$`, 'm'))
    expect(ttlOf('{drover:<queue>}:stats:<minute>')).toBe('48 h')
    expect(read('src/ledger/rollup.ts')).toContain('HOUR_TTL_SECONDS = 90 * 86_400')
    expect(ttlOf('{drover:<queue>}:stats:h:<hour>')).toBe('90 d')
    expect(TAG_TTL_MS).toBe(30 * 86_400_000)
    expect(ttlOf('{drover:<queue>}:tag:<tag>')).toBe('30 d after the last')
    expect(ttlOf('{drover:<queue>}:tags')).toBe('30 d after the last')
    expect(read(DOCUMENT)).toContain(`newest ${MAX_JOBS_OF_TAG.toLocaleString('en-US')} jobs`)
    expect(read(DOCUMENT)).toContain(`the ${MAX_TAGS_OF_QUEUE.toLocaleString('en-US')} tags`)
  })
})

const job = { id: 'a', name: 'b', queue: 'q', attemptsMade: 0, timestamp: 1, processedOn: 2, delayMs: 0 }
const error: Required<StoredError> = { name: 'E', message: 'm', code: 'C', stack: 's' }
const ENDINGS: readonly Outcome[] = [
  { status: 'completed', valueJson: '{}', keepResultMs: 1_000, runMs: 1, counters: new Map([['n', 1]]) },
  { status: 'failed', error, keepResultMs: 1_000, runMs: 1 },
]

describe.each(ENDINGS)('of a $status job', (outcome) => {
  const words = commitWords(job, outcome, 3).map(String)
  const record = JSON.parse(words.find((word) => word.startsWith('{')) ?? '') as Record<string, unknown>
  const other = outcome.status === 'completed' ? ['error'] : ['value', 'committed']

  it('every field of the record is documented, in its order and with its type', () => {
    const fields = rows(DOCUMENT, 'record').map((cells) => cells.map(plain))
    const here = fields.filter(([field = '']) => !other.includes(field))
    expect(here.map(([field]) => field)).toEqual(Object.keys(record))
    for (const [field = '', type] of here) {
      if (type !== 'any JSON') expect(typeof record[field], field).toBe(type)
    }
  })

  it('the field of the stats is one of those documented', () => {
    const patterns = rows(DOCUMENT, 'stats').map(([field]) => {
      const pattern = plain(field).replaceAll('|', '\\|').replace('<job>', 'b').replace(/<\w+>/g, '\\d+')
      return new RegExp(`^${pattern}$`)
    })
    const field = words.find((word) => word.startsWith('b|')) ?? ''
    expect(patterns.filter((pattern) => pattern.test(field))).toHaveLength(1)
  })
})

test('every field of a stored error is documented', () => {
  const what = rows(DOCUMENT, 'record').find(([field]) => plain(field) === 'error')?.[2]
  for (const field of Object.keys(error)) expect(what).toContain(`\`${field}\``)
})

test('the fields of stats that scripts write are documented', () => {
  const fields = rows(DOCUMENT, 'stats').map(([field]) => plain(field))
  expect(read('src/ledger/count-retried.lua')).toContain("job .. (isSnooze and '|s' or '|r')")
  expect(fields).toEqual(expect.arrayContaining(['<job>|r', '<job>|s']))
  expect(read('src/ledger/commit.lua')).toContain("addToField(stats, '#' .. ")
  expect(fields).toContain('#<counter>')
})

test('the bounds of the buckets are those that times are counted by', () => {
  const [text = ''] = sections(DOCUMENT, 'buckets')
  expect(text.trim()).toBe(`${BUCKET_BOUNDS_MS.join(', ')} ms`)
  expect(read(DOCUMENT)).toContain(`bucket ${BUCKET_BOUNDS_MS.length} everything longer`)
})

test('the version and the size of the largest message are those of the code', () => {
  expect(rows(DOCUMENT, 'record')[0]).toEqual(['`v`', 'number', `${RESULT_VERSION}, the version of this record`])
  const limit = /#record <= (\d+)/.exec(read('src/ledger/commit.lua'))?.[1]
  expect(read(DOCUMENT)).toContain(`more than ${limit} bytes`)
})
