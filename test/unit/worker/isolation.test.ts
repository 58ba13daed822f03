// Where a handler runs: the options of `handle` and `handleCommand`.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineJob } from '../../../src/job/index.js'
import { handle, handleCommand, locateHandler } from '../../../src/worker/index.js'

const contract = defineJob({ name: 'a', queue: 'q', input: z.object({}) })
const isolationOf = (options: object) => handle(contract, () => 1, options).isolation

describe('the isolation of a handler', () => {
  it('is none by default, and else has these defaults', () => {
    expect([isolationOf({}), isolationOf({ isolate: undefined })]).toEqual([undefined, undefined])
    const defaults = { file: undefined, killGraceMs: 1_000, memoryMb: undefined }
    expect(isolationOf({ isolate: 'thread' })).toEqual({ isolate: 'thread', ...defaults })
  })

  it('takes its file as URL, as text of one, or as path', () => {
    for (const file of [new URL('file:///jobs/a%20b.ts'), 'file:///jobs/a%20b.ts', '/jobs/a b.ts']) {
      expect(isolationOf({ isolate: 'process', file })?.file).toBe('/jobs/a b.ts')
    }
  })

  it('gets its file from who loads it, unless it names one itself', () => {
    const [plain, isolated, named] = [{}, { isolate: 'thread' }, { isolate: 'thread', file: '/own.mjs' }].map(
      (options) =>
        locateHandler(
          handle(contract, () => 1, options as object),
          '/loaded.mjs',
        ),
    )
    expect([plain?.isolation, isolated?.isolation?.file, named?.isolation?.file]).toEqual([
      undefined,
      '/loaded.mjs',
      '/own.mjs',
    ])
  })

  it.each<[string, unknown, string]>([
    ['no object', null, 'option options: expected an object of options for handle, got null'],
    ['another place', { isolate: 'fiber' }, `option isolate: expected 'thread' or 'process', got "fiber"`],
    ['a web address', { isolate: 'thread', file: 'https://x.example/a.js' }, 'option file: expected import.meta.url'],
    ['a relative path', { isolate: 'thread', file: './jobs.js' }, 'option file: expected import.meta.url'],
    ['no text for a file', { isolate: 'thread', file: 5 }, 'option file: expected import.meta.url'],
    ['too little memory', { isolate: 'thread', memoryMb: 15 }, 'option memoryMb: expected a whole number from 16'],
    ['half a megabyte', { isolate: 'thread', memoryMb: 64.5 }, 'option memoryMb: expected a whole number'],
    ['a negative grace', { isolate: 'thread', killGrace: -1 }, 'option killGrace: expected a duration'],
    ['a grace without end', { isolate: 'thread', killGrace: '61s' }, 'option killGrace: expected a duration'],
    ['a file alone', { file: '/a.mjs' }, `option file: expected isolate: 'thread' or 'process' beside it`],
    ['a misspelt option', { isolat: 'thread' }, 'unknown option "isolat" of handle: did you mean "isolate"?'],
  ])('refuses %s', (_what, options, message) => {
    expect(() => isolationOf(options as object)).toThrow(message)
  })
})

describe('a command', () => {
  it.each<[string, unknown, string]>([
    [
      'no options',
      undefined,
      "option options: expected an object of options, such as { command: ['python3', 'job.py'] }",
    ],
    ['no command', {}, 'option command: expected a program and its arguments'],
    ['a text for a shell', { command: 'python3 job.py' }, 'option command: expected a program and its arguments'],
    ['no words', { command: [] }, 'option command: expected a program and its arguments'],
    ['an empty program', { command: [''] }, 'option command: expected a program and its arguments'],
    ['a NUL in a word', { command: ['a', 'b\0c'] }, 'option command: expected a program and its arguments'],
    ['another output', { command: ['a'], output: 'xml' }, `option output: expected 'result' or 'envelope'`],
    ['a number in its environment', { command: ['a'], env: { A: 1 } }, 'option env: expected an object of texts'],
    ['a folder that is no path', { command: ['a'], cwd: 5 }, 'option cwd: expected the path of a folder, got 5'],
    ['a misspelt option', { command: ['a'], comand: 1 }, 'unknown option "comand" of handleCommand'],
  ])('is refused with %s', (_what, options, message) => {
    expect(() => handleCommand(contract, options as never)).toThrow(message)
  })

  it('is bound to a contract only', () => {
    expect(() => handleCommand({} as never, { command: ['a'] })).toThrow('option contract: expected what defineJob')
  })
})
