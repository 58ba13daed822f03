import { expect, test } from 'vitest'
import { Effects, MAX_EFFECT_CHARACTERS, MAX_EFFECT_WORDS, MAX_EFFECTS } from '../../../src/ledger/index.js'
import { codeIn, read, rows } from './documents.js'

const DOCUMENT = 'docs/handlers.md'

/** The name at the start of `set(key, value)`, `ctx.signal`. */
const nameOf = (code: string) => /^(?:ctx\.)?(\w+)/.exec(code)?.[1] ?? ''

test('every write that can be staged is listed, and no other', () => {
  const listed = rows(DOCUMENT, 'effects').flatMap(([, calls]) => codeIn(calls).map(nameOf))
  const methods = Object.getOwnPropertyNames(Effects.prototype).filter(
    (name) => !['constructor', 'close', 'seal'].includes(name),
  )
  expect([...new Set(listed)].sort()).toEqual(methods.sort())
})

test('every member of the context is listed, and no other', () => {
  const listed = rows(DOCUMENT, 'context').flatMap(([members]) => codeIn(members).map(nameOf))
  const [, body = ''] = /interface JobContext \{\n(.*?)^\}/ms.exec(read('src/worker/context.ts')) ?? []
  const members = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:<]/gm)].map((match) => match[1] ?? '')
  expect(listed.sort()).toEqual(members.sort())
})

test('the limits are those of the code', () => {
  const limits =
    /may stage ([\d,]+) writes with ([\d,]+) characters in ([\d,]+) words in all .*, ([\d,]+) words in one write, and change ([\d,]+)/
  const [, ...shown] = limits.exec(read(DOCUMENT).replaceAll('\n', ' ')) ?? []
  const [writes, characters, allWords, words, counters] = shown.map((text) => Number(text.replaceAll(',', '')))
  const constant = (file: string, name: string) => {
    return Number(new RegExp(`${name} = ([\\d_]+)`).exec(read(file))?.[1]?.replaceAll('_', ''))
  }
  expect([writes, characters, allWords]).toEqual([MAX_EFFECTS, MAX_EFFECT_CHARACTERS, MAX_EFFECT_WORDS])
  // Command and key are words of a write too.
  expect(words).toBe(constant('src/ledger/effects.ts', 'MAX_WORDS') - 2)
  expect(counters).toBe(constant('src/worker/staged-counters.ts', 'MAX_COUNTERS'))
  const [, jobs, inputs] =
    /attempt may enqueue (\d+) jobs with ([\d,]+) characters/.exec(read(DOCUMENT).replaceAll('\n', ' ')) ?? []
  expect(Number(jobs)).toBe(constant('src/worker/staged-jobs.ts', 'MAX_STAGED_JOBS'))
  expect(Number(inputs?.replaceAll(',', ''))).toBe(constant('src/worker/staged-jobs.ts', 'MAX_STAGED_CHARACTERS'))
})
