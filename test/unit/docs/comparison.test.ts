import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { codeIn, ROOT, rows } from './documents.js'

const described = rows('docs/comparison.md', 'defining and enqueueing')
const failed = rows('docs/comparison.md', 'failed jobs')

it('each capability has its test, or the reason why it is not there', () => {
  expect(described).toHaveLength(32)
  for (const [capability = '', here = '', proof = ''] of described) {
    const tests = codeIn(proof).filter((code) => code.startsWith('test/'))
    if (here === 'not there') expect(proof.length, capability).toBeGreaterThan(30)
    else expect(tests.length, capability).toBeGreaterThan(0)
  }
})

it('each capability about failed jobs has its test', () => {
  for (const [capability = '', , proof = ''] of failed) {
    expect(
      codeIn(proof).some((code) => code.startsWith('test/')),
      capability,
    ).toBe(true)
  }
})

it('every file that is named exists', () => {
  const named = [...described, ...failed]
    .flatMap((cells) => cells.flatMap(codeIn))
    .filter((code) => /^(test|examples)\//.test(code))
  expect(named.length).toBeGreaterThan(25)
  expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
})
