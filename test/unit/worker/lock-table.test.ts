import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { createTableMemory, LockTable, monotonicMs } from '../../../src/worker/lock-table.js'

const lock = (id: string, token = `worker:${id}`) => ({ queue: 1, id, token, startedAt: 12.5, timeoutMs: 30_000 })

it('what is written is read by another table on the same memory, until it is freed', () => {
  const memory = createTableMemory(3)
  const [writer, reader] = [new LockTable(memory), new LockTable(memory)]
  expect([writer.slots, reader.read()]).toEqual([3, []])
  const [first, second] = [writer.write(0, lock('a')), writer.write(2, lock('order-17'))]
  expect(reader.read()).toEqual([
    { ...lock('a'), slot: 0, version: first },
    { ...lock('order-17'), slot: 2, version: second },
  ])
  writer.free(0)
  expect(reader.read().map(({ id }) => id)).toEqual(['order-17'])
})

it('a slot that is written again has another version', () => {
  const table = new LockTable(createTableMemory(1))
  const versions = [table.write(0, lock('a')), table.write(0, lock('a')), table.write(0, lock('b'))]
  expect(new Set(versions).size).toBe(3)
  expect(versions).not.toContain(0)
  expect(table.read()).toMatchObject([{ id: 'b', version: versions[2] }])
})

it.each([
  ['a long id', 'x'.repeat(512)],
  ['an id that is not ASCII', 'größe'],
  ['a long id that is not ASCII', 'ö'.repeat(300)],
])('%s does not fit, and leaves the slot free', (_what, id) => {
  const table = new LockTable(createTableMemory(1))
  expect(table.write(0, lock(id, 't'))).toBe(0)
  expect(table.read()).toEqual([])
})

it('the longest job id of Drover fits with its token', () => {
  const table = new LockTable(createTableMemory(1))
  const id = 'a'.repeat(128)
  const token = '0f8fad5b-d9cd-469f-a165-70867728950e:9007199254740991'
  expect(table.write(0, lock(id, token))).toBeGreaterThan(0)
  expect(table.read()).toMatchObject([{ id, token }])
})

it('beats are seen by the other table', () => {
  const memory = createTableMemory(1)
  const [writer, reader] = [new LockTable(memory), new LockTable(memory)]
  const before = reader.beats
  writer.beat()
  expect(reader.beats).toBe(before + 1)
})

it('a thread that writes all the time never lets half of an entry be read', async () => {
  const memory = createTableMemory(2)
  const source = `
    import { workerData, parentPort } from 'node:worker_threads'
    import { register } from ${JSON.stringify(import.meta.resolve('tsx/esm/api'))}
    register()
    const { LockTable } = await import(${JSON.stringify(new URL('../../../src/worker/lock-table.ts', import.meta.url).href)})
    const table = new LockTable(workerData.memory)
    parentPort.postMessage('started')
    for (let n = 0; Atomics.load(workerData.stop, 0) === 0; n++) {
      const id = String(n % 7).repeat(1 + (n % 90))
      table.write(n % 2, { queue: id.length, id, token: id, startedAt: id.length, timeoutMs: id.length })
      if (n % 3 === 0) table.free(n % 2)
    }`
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`)
  const thread = new Worker(url, { workerData: { memory, stop }, execArgv: [] })
  await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
  const table = new LockTable(memory)
  let seen = 0
  try {
    const until = performance.now() + 20_000
    while (seen < 20_000 && performance.now() < until) {
      for (const { id, token, queue, startedAt, timeoutMs } of table.read()) {
        seen++
        if (token !== id || new Set(id).size !== 1) throw new Error(`read ${JSON.stringify([id, token])}`)
        expect([queue, startedAt, timeoutMs]).toEqual([id.length, id.length, id.length])
      }
    }
  } finally {
    Atomics.store(stop, 0, 1)
    await thread.terminate()
  }
  expect(seen).toBeGreaterThan(100)
})

it('the clock of all threads runs on, in milliseconds', () => {
  const [shared, own] = [monotonicMs(), performance.now()]
  while (performance.now() - own < 20);
  expect(monotonicMs() - shared).toBeGreaterThanOrEqual(19)
})
