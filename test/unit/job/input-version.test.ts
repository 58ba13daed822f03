import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ContractError, defineJob, InputVersionError, parseInput, versionOf } from '../../../src/job/index.js'

const input = z.object({ names: z.array(z.string()) })
const greet = defineJob({
  name: 'greet',
  queue: 'mail',
  input,
  version: 3,
  upcast: {
    1: (old: { name: string }) => ({ name: old.name.trim() }),
    2: (old: { name: string }) => ({ names: [old.name] }),
  },
})

function errorOf(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

describe('versions of an input', () => {
  it('an older input goes through every upcast from its version on, in order', () => {
    expect(parseInput(greet, { name: ' Ada ' }, 1)).toEqual({ names: ['Ada'] })
    expect(parseInput(greet, { name: ' Ada ' }, 2)).toEqual({ names: [' Ada '] })
    expect(parseInput(greet, { names: ['Ada'] }, 3)).toEqual({ names: ['Ada'] })
  })

  it('a version without upcast, an upcast that throws and a newer version are InputVersionError', () => {
    const two = defineJob({ name: 'two', queue: 'mail', input, version: 2 })
    expect(errorOf(() => parseInput(two, {}, 1))).toMatchObject({ code: 'INPUT_VERSION', version: 1, known: 2 })
    const thrown = errorOf(() => parseInput(greet, {}, 1)) as InputVersionError
    expect(thrown).toBeInstanceOf(InputVersionError)
    expect(thrown.reason).toBe('its upcast for version 1 threw')
    expect(thrown.cause).toBeInstanceOf(TypeError)
    expect(errorOf(() => parseInput(two, {}, 3))).toMatchObject({ version: 3, known: 2 })
  })

  it('what an upcast makes is checked by the schema', () => {
    const bad = defineJob({ name: 'bad', queue: 'mail', input, version: 2, upcast: { 1: () => ({ names: 1 }) } })
    expect(errorOf(() => parseInput(bad, {}, 1))).toMatchObject({ code: 'INVALID_INPUT' })
  })

  it.each([
    [{ version: 0 }, /^version: expected a whole number from 1 to 1000/],
    [{ version: 1.5 }, /^version: expected a whole number/],
    [{ version: '2' }, /^version: expected a whole number/],
    [{ upcast: () => 1 }, /^upcast: expected an object of functions/],
    [{ version: 2, upcast: { 2: (old: unknown) => old } }, /^upcast: expected versions from 1 to below version \(2\)/],
    [{ version: 2, upcast: { one: (old: unknown) => old } }, /^upcast: expected versions/],
    [{ version: 2, upcast: { 1: 'x' } }, /^upcast.1: expected a function/],
  ])('options %j are refused', (options, problem) => {
    const error = errorOf(() => defineJob({ name: 'x', queue: 'mail', input, ...(options as object) }))
    expect((error as ContractError).problems).toEqual([expect.stringMatching(problem)])
    expect(error).toBeInstanceOf(ContractError)
  })

  it('stored options without a whole number above 1 are of version 1', () => {
    expect([{}, { version: 1 }, { version: 'x' }, { version: -3 }, { version: 2.5 }].map(versionOf)).toEqual(
      Array(5).fill(1),
    )
    expect(versionOf({ version: 7 })).toBe(7)
  })
})
