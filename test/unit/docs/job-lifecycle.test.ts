// The diagram of docs/job-lifecycle.md against its table, the states that jobs have, and the scripts that move them.
import { expect, it } from 'vitest'
import { LIST_STATES } from '../../../src/producer/http/job-list.js'
import { blocks, filesBelow, read, rows } from './documents.js'

const DOCUMENT = 'docs/job-lifecycle.md'
const DIAGRAM = blocks(DOCUMENT).find(({ language }) => language === 'mermaid')?.text ?? ''
const ARROW = /^ {2}(\S+) --> (\S+): ([^,\n]+)/gm
const arrows = [...DIAGRAM.matchAll(ARROW)].map(([, from = '', to = '', name = '']) => ({ from, to, name }))

/** A script of ours that takes jobs out of one of BullMQ's places, or puts them into one. */
const MOVES =
  /'(?:LREM|LSET|RPUSH|LPUSH|ZADD|ZREM)', (?:limits\.)?(?:WAIT|PARKED|bull \.\. '(?:wait|active|delayed|failed|prioritized)'),/

it('draws every state that a job can have', () => {
  const long = new Map([...DIAGRAM.matchAll(/^ {2}state "(\S+)" as (\S+)$/gm)].map(([, name, id]) => [id, name]))
  const drawn = new Set(arrows.flatMap(({ from, to }) => [from, to]).map((state) => long.get(state) ?? state))
  expect(drawn).toEqual(new Set(['[*]', ...LIST_STATES]))
})

it('has a row for every arrow, and an arrow for every row', () => {
  const described = rows(DOCUMENT, 'arrows').flatMap(([names = '']) => {
    // "put aside, put back" are two arrows; what follows one in "commit, failed" says which of its kind is meant.
    const [first = '', ...more] = names.split(', ')
    return [first, ...more.filter((name) => arrows.some((arrow) => arrow.name === name))]
  })
  expect(new Set(described)).toEqual(new Set(arrows.map(({ name }) => name)))
})

it('names every script that moves jobs by itself', () => {
  const scripts = filesBelow('src').filter((path) => path.endsWith('.lua') && MOVES.test(read(path)))
  // Parts of take-job.lua and park-added.lua.
  const parts = [
    'src/ledger/held/held-functions.lua',
    'src/ledger/limits/limit-functions.lua',
    'src/ledger/limits/limit-taking.lua',
  ]
  expect(scripts).toEqual(expect.arrayContaining(parts))
  const text = read(DOCUMENT)
  expect(scripts.filter((path) => !parts.includes(path) && !text.includes(path))).toEqual([])
})
