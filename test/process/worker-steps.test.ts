// Workers that are killed in the midst of jobs of many steps, and of calls that many jobs share: what a step came to was kept,
// and it does not run again; each job of a call counts once, and none has lost an attempt.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../src/job/index.js'
import { openWorkshop, type Workshop } from '../support/worker.js'

const [JOBS, STEPS, KILLS] = [6, 60, 3]
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'drover-steps-'))
const file = join(folder, 'done')
const contract = defineJob({ name: 'steps', queue: 'steps', input: z.object({ steps: z.number() }), attempts: 1 })
let shop: Workshop
let child: ChildProcess | undefined
beforeAll(async () => {
  writeFileSync(file, '')
  shop = await openWorkshop()
})
afterAll(async () => {
  child?.kill('SIGKILL')
  await shop.close()
  rmSync(folder, { recursive: true })
})

const lines = () => readFileSync(file, 'utf8').split('\n').filter(Boolean)
/** Starts a worker; with a number it ends itself by SIGKILL after as many lines of the file. */
const start = (lastLine = 0) => {
  const args = ['--import', 'tsx', 'test/support/steps-script.ts', shop.server.url, file, String(lastLine)]
  child = spawn(process.execPath, args, { cwd: root, stdio: 'ignore' })
  return once(child, 'exit')
}

it(`${JOBS} jobs of ${STEPS} steps, whose worker is killed ${KILLS} times between them, run no finished step again`, async () => {
  const { ids } = await shop.producer.enqueueBulk(
    contract,
    Array.from({ length: JOBS }, () => ({ steps: STEPS })),
  )
  for (let kill = 0; kill < KILLS; kill++) {
    // In the midst of it: not all jobs can be done after so few lines.
    expect(await start(40 + 7 * kill)).toEqual([null, 'SIGKILL'])
  }
  void start()
  for (const id of ids) {
    expect(await shop.end({ queue: 'steps', id })).toMatchObject({ status: 'completed', value: STEPS, attempts: 1 })
  }

  const kept = new Set<string>()
  const runs = new Map<string, number>()
  for (const line of lines()) {
    const [what, id, step] = line.split(' ')
    expect(what).not.toBe('wrong')
    const name = `${id} ${step}`
    if (what === 'kept') kept.add(name)
    else {
      expect(kept.has(name), `${name} ran again after it was kept`).toBe(false)
      runs.set(name, (runs.get(name) ?? 0) + 1)
    }
  }
  expect(kept.size).toBe(JOBS * STEPS)
  expect(runs.size).toBe(JOBS * STEPS)
  // A step runs twice only where the kill came between its end and the answer of Redis: once for each running job at most.
  const again = [...runs.values()].reduce((sum, count) => sum + count - 1, 0)
  expect(again).toBeLessThanOrEqual(KILLS * 4)
  expect(await shop.producer.counters.get('steps', 'jobs')).toBe(JOBS)
  for (const id of ids) {
    const fields = await shop.redis.hkeys(`${shop.keys('steps').bullBase}${id}`)
    expect(fields.filter((field) => /drover:(step|checkpoint)/.test(field))).toEqual([])
  }
})

it('jobs that share calls, whose worker is killed in the midst of them, commit once each, at no attempt', async () => {
  const contract = defineJob({ name: 'row', queue: 'rows', input: z.object({ n: z.number() }), attempts: 1 })
  const numbers = Array.from({ length: 1_500 }, (_, n) => n)
  child?.kill('SIGKILL')
  writeFileSync(file, '')
  const { ids } = await shop.producer.enqueueBulk(
    contract,
    numbers.map((n) => ({ n })),
  )
  for (let kill = 0; kill < 2; kill++) {
    expect(await start(10 + kill)).toEqual([null, 'SIGKILL'])
  }
  void start()
  const records = await Promise.all(ids.map((id) => shop.end({ queue: 'rows', id })))
  expect(records.filter(({ status, attempts }) => status !== 'completed' || attempts !== 1)).toEqual([])
  const rows = (await shop.redis.lrange('rows', 0, -1)).map(Number)
  expect(rows.sort((a, b) => a - b)).toEqual(numbers)
  expect(await shop.producer.counters.get('rows', 'sum')).toBe((1_500 * 1_499) / 2)
  expect(lines().some((line) => line === 'call 10')).toBe(true)
})
