// Lines and progress of an isolated handler on their way to its worker: how many at most.
import { expect, it } from 'vitest'
import {
  ANSWER_EVERY,
  createChildLog,
  MAX_UNANSWERED_LINES,
  readLogLine,
} from '../../../src/worker/isolated/child-log.js'
import { createChildProgress } from '../../../src/worker/isolated/child-progress.js'

function collect(debug = false) {
  const posted: { line: string; answer: boolean }[] = []
  const log = createChildLog(debug, (line, answer) => posted.push({ line, answer }))
  return { log, posted, read: () => posted.map(({ line }) => readLogLine(line)) }
}

it('a line arrives with its level, its fields and its text, whatever the fields are called', () => {
  const { log, read } = collect(true)
  log.logger.child({ id: 'j1' }).info({ level: 'x', msg: 'y', n: 1 }, 'text')
  log.logger.debug('alone')
  log.logger.warn({ n: 2 })
  log.logger.error({ err: new Error('broken') }, 'failed')
  expect(read()).toMatchObject([
    { level: 'info', fields: { level: 'x', msg: 'y', n: 1 }, text: 'text' },
    { level: 'debug', fields: undefined, text: 'alone' },
    { level: 'warn', fields: { n: 2 }, text: undefined },
    { level: 'error', fields: { err: { message: 'broken' } }, text: 'failed' },
  ])
  expect(collect(false).log.logger.isLevelEnabled('debug')).toBe(false)
})

it.each(['', '{', '[]', '5', 'null', '{"drover:level":"fatal"}'])('what is no line is left out: %j', (text) => {
  expect(readLogLine(text)).toBeUndefined()
})

it('lines beyond the limit are dropped, and said to be when there is room again', () => {
  const { log, posted, read } = collect()
  for (let n = 0; n < MAX_UNANSWERED_LINES + 7; n++) log.logger.info({ n }, 'flood')
  expect(posted).toHaveLength(MAX_UNANSWERED_LINES)
  expect(posted.filter(({ answer }) => answer)).toHaveLength(MAX_UNANSWERED_LINES / ANSWER_EVERY)
  log.answered(ANSWER_EVERY)
  expect(read().at(-1)).toMatchObject({ level: 'warn', fields: { dropped: 7 } })
  log.logger.info('next')
  expect(read().at(-1)).toMatchObject({ text: 'next' })
})

it('a line that is too long is replaced by its length', () => {
  const { log, read } = collect()
  log.logger.info({ text: 'x'.repeat(100_000) }, 'long')
  expect(read()).toMatchObject([{ level: 'warn', text: 'a log line was too long' }])
})

it('one progress is on its way at a time, and the newest of those that wait follows it', async () => {
  const posted: (number | object)[] = []
  const progress = createChildProgress((value) => posted.push(value))
  const shown = [1, 2, { percent: 3, text: 'c' }].map((value) => progress.show(value))
  expect(posted).toEqual([1])
  progress.answered(undefined)
  await shown[0]
  expect(posted).toEqual([1, { percent: 3, text: 'c' }])
  progress.answered(new Error('Redis is away'))
  await expect(shown[1]).rejects.toThrow('Redis is away')
  await expect(shown[2]).rejects.toThrow('Redis is away')
  progress.answered(undefined)
  const last = progress.show(4)
  expect(posted.at(-1)).toBe(4)
  progress.answered(undefined)
  await last
})
