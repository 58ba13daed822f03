import { expect, it, vi } from 'vitest'
import { createJobLogger } from '../../../src/worker/job-logger.js'
import { PATIENCE } from '../../support/until.js'
import { collectLog } from '../../support/worker.js'

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /
const about = { queue: 'media', job: 'resize', id: 'j1', attempt: 2 }

function open(addLog: (id: string, line: string) => Promise<unknown> = async () => undefined) {
  const { logger, lines } = collectLog()
  const kept: [string, string][] = []
  const keep = (id: string, line: string) => {
    kept.push([id, line])
    return addLog(id, line)
  }
  return { log: createJobLogger(about, { logger, addLog: keep }), lines, kept }
}

it('a line carries queue, job, id and attempt, and goes to the log of the job too with its time, but for debug', () => {
  const { log, lines, kept } = open()
  log.debug('d')
  log.info({ bytes: 5 }, 'fetched')
  log.warn('w')
  log.error({ only: 'fields' })
  expect(lines.map(({ level, msg, bytes }) => [level, msg, bytes])).toEqual([
    [20, 'd', undefined],
    [30, 'fetched', 5],
    [40, 'w', undefined],
    [50, undefined, undefined],
  ])
  for (const line of lines) expect(line).toMatchObject(about)
  for (const [, line] of kept) expect(line).toMatch(TIME)
  expect(kept.map(([id, line]) => [id, line.replace(TIME, '')])).toEqual([
    ['j1', 'info fetched {"bytes":5}'],
    ['j1', 'warn w'],
    ['j1', 'error {"only":"fields"}'],
  ])
})

it('fields that are not JSON, and lines without end, do no harm', () => {
  const { log, kept } = open()
  const cyclic: Record<string, unknown> = {}
  cyclic.self = cyclic
  log.info(cyclic, 'round')
  log.info({ big: 1n }, 'big')
  log.info('x'.repeat(10_000))
  expect(kept.map(([, line]) => line.replace(TIME, '').slice(0, 60))).toEqual([
    'info round (fields that are not JSON: TypeError)',
    'info big (fields that are not JSON: TypeError)',
    `info ${'x'.repeat(55)}`,
  ])
  expect(kept.at(-1)?.[1]).toHaveLength(8_193)
})

it('a job log that cannot be written to is told of in the log of the worker alone', async () => {
  const { log, lines } = open(async () => {
    throw new Error('Missing key for job j1')
  })
  log.info('late')
  await vi.waitFor(
    () => expect(lines.map(({ msg }) => msg)).toEqual(['late', 'a line was not kept in the job log']),
    PATIENCE,
  )
})
