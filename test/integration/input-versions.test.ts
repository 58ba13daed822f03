// Inputs of older and newer versions than a worker's own, as in the midst of a deploy.
import { expect, it } from 'vitest'
import { z } from 'zod'
import { Findings } from '../../src/cli/check/findings.js'
import { readStoredInputs } from '../../src/cli/check/stored-inputs.js'
import { type AnyJobContract, defineJob } from '../../src/job/index.js'
import { defineSchedule } from '../../src/ledger/index.js'

import { handle, PermanentError } from '../../src/worker/index.js'
import { useWorkshop } from '../support/worker.js'

const shop = await useWorkshop()

const versions = (queue: string) => ({
  old: defineJob({ name: 'greet', queue, input: z.object({ name: z.string() }), attempts: 1 }),
  new: defineJob({
    name: 'greet',
    queue,
    input: z.object({ names: z.array(z.string()) }),
    attempts: 1,
    version: 2,
    upcast: { 1: ({ name }: { name: string }) => ({ names: [name] }) },
  }),
})
const storedOptions = async (queue: string, id: string) =>
  JSON.parse((await shop.redis.hget(shop.keys(queue).bullBase + id, 'opts')) ?? '') as object

it('a job of an older version runs with the input that its upcast makes', async () => {
  const contracts = versions('older')
  const job = await shop.producer.enqueue(contracts.old, { name: 'Ada' })
  expect(await storedOptions('older', job.id)).not.toHaveProperty('version')
  await shop.work([handle(contracts.new, ({ names }) => names)])
  expect(await shop.end(job)).toMatchObject({ status: 'completed', value: ['Ada'] })
})

it('a job of a newer version waits for a worker that knows it, and uses no attempt until then', async () => {
  const contracts = versions('newer')
  const old = await shop.work([handle(contracts.old, ({ name }) => name)])
  const job = await shop.producer.enqueue(contracts.new, { names: ['Ada', 'Bob'] })
  expect(await storedOptions('newer', job.id)).toHaveProperty('version', 2)
  await expect
    .poll(() => old.lines.find(({ msg }) => msg.includes('newer version')))
    .toMatchObject({
      id: job.id,
      version: 2,
      known: 1,
    })
  await expect.poll(() => shop.redis.zscore(`${shop.keys('newer').bullBase}delayed`, job.id)).not.toBeNull()
  await old.close()
  await shop.work([handle(contracts.new, ({ names }) => names)])
  expect(await shop.end(job)).toMatchObject({ status: 'completed', value: ['Ada', 'Bob'], attempts: 1 })
})

it('jobs that the worker knows run while it puts back those that it does not', async () => {
  const contracts = versions('both')
  const worker = await shop.work([handle(contracts.old, ({ name }) => name)], { concurrency: 1 })
  const newer = await shop.producer.enqueue(contracts.new, { names: [] })
  expect(await shop.end(await shop.producer.enqueue(contracts.old, { name: 'Ada' }))).toMatchObject({ value: 'Ada' })
  expect(await shop.redis.hget(shop.keys('both').bullBase + newer.id, 'atm')).toBeNull()
  await worker.close()
})

it('a debounce never puts an input into a waiting job of another version', async () => {
  const contracts = versions('debounced')
  const debounce = { wait: '1h', by: () => 'all' } as const
  const first = await shop.producer.enqueue(contracts.old, { name: 'Ada' }, { debounce })
  const second = await shop.producer.enqueue(contracts.new, { names: ['Ada'] }, { debounce })
  const third = await shop.producer.enqueue(contracts.new, { names: ['Bob'] }, { debounce })
  expect(second.deduplicated).toBeUndefined()
  expect(third).toMatchObject({ id: second.id, deduplicated: true })
  const inputOf = (id: string) => shop.redis.hget(shop.keys('debounced').bullBase + id, 'data')
  expect(await Promise.all([first, second].map(({ id }) => inputOf(id)))).toEqual([
    '{"name":"Ada"}',
    '{"names":["Bob"]}',
  ])
})

it('a check of the backlog reads failed jobs and schedules of run time, and tells what of them would break', async () => {
  const contracts = versions('checked')
  await shop.work([
    handle(contracts.old, () => {
      throw new PermanentError('no')
    }),
  ])
  const failed = await shop.producer.enqueue(contracts.old, { name: 'Ada' })
  expect(await shop.end(failed)).toMatchObject({ status: 'failed' })
  await shop.producer.schedules.set(
    defineSchedule(contracts.old, { name: 'yearly', cron: '0 3 1 1 *', input: { name: 'Bob' } }),
  )
  const without = defineJob({
    name: 'greet',
    queue: 'checked',
    input: z.object({ names: z.array(z.string()) }),
    version: 2,
  })
  const told = async (contract: AnyJobContract) => {
    const findings = new Findings('checked', [contract], { mostSamples: 3 })
    for await (const stored of readStoredInputs(shop.redis, shop.keys('checked'))) await findings.check(stored)
    return findings.all.map(({ state, code, count, samples }) => [state, code, count, samples.map(({ id }) => id)])
  }
  expect(await told(contracts.new)).toEqual([])
  expect(await told(without)).toEqual([
    ['failed', 'INPUT_VERSION', 1, [failed.id]],
    ['schedule', 'INPUT_VERSION', 1, ['yearly']],
  ])
})

it("a handler's own jobs and schedules carry the version", async () => {
  const contracts = versions('staged')
  const parent = defineJob({ name: 'parent', queue: 'parents', input: z.object({}) })
  await shop.work([handle(parent, (_input, ctx) => ctx.enqueue(contracts.new, { names: ['Ada'] }, { delay: '1h' }))])
  const { value } = (await shop.end(await shop.producer.enqueue(parent, {}))) as unknown as { value: { id: string } }
  expect(await storedOptions('staged', value.id)).toHaveProperty('version', 2)
  await shop.producer.schedules.set(
    defineSchedule(contracts.new, { name: 'nightly', cron: '0 0 3 * * *', input: { names: [] } }),
  )
  const spec = JSON.parse((await shop.redis.hget(shop.keys('staged').schedule('nightly'), 'spec')) ?? '')
  expect(spec.options).toHaveProperty('version', 2)
})
