// The runner of rows: a run that breaks, that checks nothing or that injects no fault is never green.
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { createRandom } from '../support/random.js'
import { openLedgerReader, readLedger } from './ledger-file.js'
import { openLedger } from './ledger-writer.mjs'
import { loadRows } from './load-rows.js'
import { readRecovery, spreadOf } from './recovery.js'
import { defineRow } from './row.js'
import { runRow } from './run-row.js'
import { showOutcome } from './show-outcome.js'

const row = (run: Parameters<typeof defineRow>[0]['run']) =>
  defineRow({ name: 'F99', title: 'a row of this test', small: {}, full: {}, run })
const run = { seed: 7, size: 'small' } as const

it('a run that breaks off has failed, and says where', async () => {
  const outcome = await runRow(
    row(async () => {
      throw new Error('broken off')
    }),
    run,
  )
  expect(outcome.ok).toBe(false)
  expect(outcome.problems.map(({ kind }) => kind)).toEqual(['run-broken', 'not-checked'])
  expect(showOutcome(outcome)).toMatch(/^F99 FAILED size=small seed=7 .*\n {2}run-broken: Error: broken off/)
})

it('a run without a fault and without a job has failed', async () => {
  const outcome = await runRow(
    row(async (context) => {
      const { url } = await context.startRedis()
      await context.check({ url })
    }),
    run,
  )
  expect(outcome.problems.map(({ kind }) => kind)).toEqual(['no-fault', 'no-job'])
})

it('what a row asks for beside the check fails its run', async () => {
  const outcome = await runRow(
    row(async ({ require, figure, recovered }) => {
      require(true, 'kept', 'not told')
      require(false, 'broken', 'told')
      figure('height', 3)
      recovered(12)
    }),
    run,
  )
  expect(outcome.problems).toContainEqual({ kind: 'broken', text: 'told' })
  expect(outcome.problems.map(({ kind }) => kind)).not.toContain('kept')
  expect(outcome.figures).toEqual({ height: 3, recoveredMs: { count: 1, p50: 12, p99: 12, max: 12 } })
})

it('the same seed makes the same choices', async () => {
  const choices: number[][] = []
  const choosing = row(async ({ random }) => void choices.push(Array.from({ length: 20 }, () => random.below(1_000))))
  await runRow(choosing, run)
  await runRow(choosing, run)
  expect(choices[0]).toEqual(choices[1])
  const random = createRandom(7)
  expect(choices[0]).toEqual(Array.from({ length: 20 }, () => random.below(1_000)))
})

it('a ledger is read as it grows, but for a line that a kill cut short', () => {
  const directory = mkdtempSync(join(tmpdir(), 'drover-ledger-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'ledger')
  const read = openLedgerReader(path)
  const ids = () => read().map((line) => 'id' in line && line.id)
  expect(ids()).toEqual([])
  const ledger = openLedger(path)
  ledger.append({ e: 'ack', id: 'a' }, { e: 'ack', id: 'ü' })
  expect(ids()).toEqual(['a', 'ü'])
  appendFileSync(path, '\n{"e":"ack","id":"sl')
  expect(ids()).toEqual(['a', 'ü'])
  appendFileSync(path, 'ow","at":3}\n{"e":"ack","id":"cut')
  expect(ids()).toEqual(['a', 'ü', 'slow'])
  ledger.append({ e: 'ack', id: 'b' })
  expect(ids()).toEqual(['a', 'ü', 'slow', 'b'])
  expect(readLedger(path)).toEqual(read())
  ledger.close()
})

it('recovery counts from the kill of a process to the next start of each job it had', () => {
  const start = (id: string, pid: number, at: number, token: number) =>
    ({ e: 'start', id, pid, attempt: 1, token, at }) as const
  const lines = [
    start('a', 1, 0, 1),
    start('b', 1, 1, 1),
    start('c', 1, 2, 1),
    { e: 'threw', id: 'b', pid: 1, attempt: 1, why: 'planned', at: 3 },
    { e: 'fault', kind: 'SIGKILL', seed: 7, pid: 1, at: 10 },
    start('a', 2, 3_010, 2),
    // Its first attempt was over before the kill: a retry is no recovery.
    start('b', 2, 4_000, 2),
    // Worker 3 was given it, and killed before it began.
    { e: 'fault', kind: 'SIGKILL', seed: 7, pid: 3, at: 3_020 },
    start('c', 2, 6_010, 3),
    // Handed out three times, but no worker was killed meanwhile: a slow recovery is one.
    { e: 'fault', kind: 'SIGKILL', seed: 7, pid: 2, at: 7_000 },
    start('a', 4, 15_000, 5),
  ] as const
  expect(readRecovery(lines)).toEqual({
    reruns: 4,
    recoveryMs: { count: 2, p50: 3_000, p99: 8_000, max: 8_000 },
    cutTwiceMs: { count: 1, p50: 6_000, p99: 6_000, max: 6_000 },
  })
  expect(spreadOf([3, 1, 2])).toEqual({ count: 3, p50: 2, p99: 3, max: 3 })
})

it('the command names every row', async () => {
  const command = fileURLToPath(new URL('main.ts', import.meta.url))
  const listed = execFileSync(process.execPath, ['--import', 'tsx', command, '--list'], { encoding: 'utf8' })
  const rows = await loadRows()
  expect(listed).toBe(rows.map(({ name, title }) => `${name}  ${title}\n`).join(''))
})
