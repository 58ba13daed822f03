// The rooms of src/: who may import whom, and only through the door.
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { filesBelow, plain, ROOT, read, rows } from './documents.js'

const ALL = ['job', 'redis', 'config', 'ledger', 'producer', 'worker', 'dashboard', 'cli', 'testing']
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  job: [],
  redis: ['job'],
  config: ['job', 'redis'],
  ledger: ['job', 'redis'],
  producer: ['job', 'redis', 'config', 'ledger'],
  worker: ['job', 'redis', 'config', 'ledger'],
  dashboard: ['job', 'redis', 'config', 'ledger'],
  cli: ALL,
  testing: ['job', 'redis', 'config', 'ledger', 'producer', 'worker'],
}
// An app that only enqueues loads neither worker nor dashboard.
const NPM_DOOR = ['job', 'redis', 'ledger', 'producer']

const FORBIDDEN_NAME = /^(utils?|helpers?|common|types|managers?|services?|misc)(\.|$)/
const MAX_LINES = 300

interface Import {
  readonly file: string
  /** From src/, as it would be in the sources. */
  readonly target: string
}

const files = filesBelow('src')
const sources = files.filter((file) => file.endsWith('.ts'))
const roomOf = (path: string) => path.split('/')[0] ?? ''

function importsOf(file: string): Import[] {
  const lines = read(file).matchAll(/(?:^(?:import|export)\b[^'"]*?|\bimport\()['"](\.[^'"]+)['"]/gm)
  return [...lines].map(([, specifier = '']) => ({
    file,
    target: relative(join(ROOT, 'src'), join(ROOT, dirname(file), specifier)),
  }))
}

const imports = sources.flatMap(importsOf)
const fromSrc = (file: string) => file.slice('src/'.length)
const between = imports.filter(({ file, target }) => roomOf(fromSrc(file)) !== roomOf(target))

describe('the rooms', () => {
  it('are those that are listed', () => {
    const found = new Set(files.map(fromSrc).map(roomOf))
    found.delete('index.ts')
    expect([...found].sort()).toEqual([...ALL].sort())
    expect(Object.keys(ARROWS)).toEqual(ALL)
  })

  it('are described with their arrows in CONTRIBUTING.md', () => {
    const described = rows('CONTRIBUTING.md', 'rooms').map(([room, , arrows]) => [plain(room), arrows])
    const expected = Object.entries(ARROWS).map(([room, allowed]) => {
      return [`src/${room}`, allowed === ALL ? 'all' : allowed.join(', ') || '–']
    })
    expect(described).toEqual(expected)
  })

  it.each(ALL)('%s imports only rooms that its arrows point at', (room) => {
    const wrong = between.filter(({ file, target }) => {
      return roomOf(fromSrc(file)) === room && !ARROWS[room]?.includes(roomOf(target))
    })
    expect(wrong).toEqual([])
  })

  it('are entered through their doors', () => {
    expect(between.length).toBeGreaterThan(50)
    // The HTTP API and JSON Schemas have doors of their own: an app that only enqueues loads neither express nor zod.
    expect(between.filter(({ target }) => !/^\w+(\/http|\/json-schema)?\/index\.js$/.test(target))).toEqual([])
  })

  it('worker and dashboard are not behind the npm door', () => {
    const behind = importsOf('src/index.ts').map(({ target }) => roomOf(target))
    expect([...new Set(behind)].sort()).toEqual([...NPM_DOOR].sort())
  })
})

describe('the files of src', () => {
  it(`have at most ${MAX_LINES} lines`, () => {
    const lengths = files.map((file) => [file, read(file).split('\n').length - 1] as const)
    expect(lengths.filter(([, lines]) => lines > MAX_LINES)).toEqual([])
  })

  it('open with what they own', () => {
    const comment = /^(#!.*\n)?(\/\/|\/\*)/
    expect(sources.filter((file) => !comment.test(read(file)))).toEqual([])
  })

  it('have names that say what they own', () => {
    expect(files.filter((file) => file.split('/').some((name) => FORBIDDEN_NAME.test(name)))).toEqual([])
  })
})
