import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as npmDoor from '../../../src/index.js'
import { codeIn, plain, read, rows } from './documents.js'

interface ErrorClass {
  readonly code: string
  readonly fields: readonly string[]
}

// errors.ts first: it has the classes that others extend.
const SOURCES = [
  'src/job/errors.ts',
  ...readdirSync('src/job')
    .filter((file) => file.endsWith('-errors.ts'))
    .map((file) => `src/job/${file}`),
]
const CLASS = /^(?:export )?class (\w+) extends (\w+) \{\n(.*?)^\}/gms

/** Code and fields of every error class, those of the class it extends first. */
function readClasses(): Map<string, ErrorClass> {
  const found = new Map<string, ErrorClass>()
  for (const [, name = '', parent = '', body = ''] of SOURCES.flatMap((file) => [...read(file).matchAll(CLASS)])) {
    const own = [...body.matchAll(/^ {2}readonly (\w+)/gm)].map((match) => match[1] ?? '')
    const code = /super\(\s*'([A-Z_]+)'/.exec(body)?.[1] ?? ''
    found.set(name, { code, fields: [...(found.get(parent)?.fields ?? []), ...own] })
  }
  return found
}

const documented = rows('docs/errors.md', 'errors')

test('the list of errors is the list of what the package exports', () => {
  const isError = (value: unknown) => typeof value === 'function' && value.prototype instanceof npmDoor.DroverError
  const exported = Object.entries(npmDoor).filter(([, value]) => isError(value))
  expect(documented.map(([name]) => plain(name)).sort()).toEqual(exported.map(([name]) => name).sort())
})

test('each error has the code and the fields of its class', () => {
  const classes = readClasses()
  for (const [name, code, fields] of documented) {
    const shown = { code: plain(code), fields: codeIn(fields).sort() }
    const { code: own, fields: ownFields } = classes.get(plain(name)) ?? { code: '', fields: [] }
    expect(shown, plain(name)).toEqual({ code: own, fields: [...ownFields].sort() })
  }
})

test('each error says when it comes and what to do', () => {
  for (const [name, , , when, remedy] of documented) {
    expect(when?.length, name).toBeGreaterThan(10)
    expect(remedy, name).toBeTruthy()
  }
})
