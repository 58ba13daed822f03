import { expect, it } from 'vitest'
import { AloneGate } from '../../../src/worker/alone-gate.js'

const tick = () => new Promise((resolve) => setImmediate(resolve))

/** Gets into line, and notes in `started` when the turn has come. */
function lineUp(gate: AloneGate, started: string[], name: string, isAlone: boolean) {
  const { turn, cancel } = gate.enter(isAlone)
  void turn.then(() => started.push(name))
  return cancel
}

it('everyone may enter while nobody wants to be alone', () => {
  const gate = new AloneGate()
  expect([gate.tryEnter(), gate.tryEnter(), gate.tryEnter()]).toEqual([true, true, true])
})

it('who wants to be alone waits for the others, who then wait too, and go in after it', async () => {
  const gate = new AloneGate()
  const started: string[] = []
  gate.tryEnter()
  gate.tryEnter()
  lineUp(gate, started, 'alone', true)
  expect(gate.tryEnter()).toBe(false)
  lineUp(gate, started, 'first', false)
  lineUp(gate, started, 'second', false)
  gate.leave()
  await tick()
  expect(started).toEqual([])
  gate.leave()
  await tick()
  expect(started).toEqual(['alone'])
  expect(gate.tryEnter()).toBe(false)
  gate.leave()
  await tick()
  expect(started).toEqual(['alone', 'first', 'second'])
  expect(gate.tryEnter()).toBe(true)
})

it('two who want to be alone go one after the other', async () => {
  const gate = new AloneGate()
  const started: string[] = []
  lineUp(gate, started, 'a', true)
  lineUp(gate, started, 'b', true)
  await tick()
  expect(started).toEqual(['a'])
  gate.leave()
  await tick()
  expect(started).toEqual(['a', 'b'])
})

it('who leaves the line lets those behind it in; who leaves after its turn came is counted out', async () => {
  const gate = new AloneGate()
  const started: string[] = []
  gate.tryEnter()
  const cancelWaiting = lineUp(gate, started, 'alone', true)
  const cancelStarted = lineUp(gate, started, 'other', false)
  cancelWaiting()
  await tick()
  expect(started).toEqual(['other'])
  cancelStarted()
  lineUp(gate, started, 'next', true)
  gate.leave()
  await tick()
  expect(started).toEqual(['other', 'next'])
})
