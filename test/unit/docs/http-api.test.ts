// docs/http-api.md against the table of routes, the codes and the limits of the API.
import { expect, test } from 'vitest'
import * as npmDoor from '../../../src/index.js'
import { SHARED_NAMES } from '../../../src/producer/enqueue-options.js'
import { MAX_COPY_AGE_MS, SCOPES } from '../../../src/producer/http/index.js'
import { ENQUEUE_OPTIONS, SCHEMAS } from '../../../src/producer/http/openapi-schemas.js'
import { REQUEST_CODES, STATUS_OF_CODE } from '../../../src/producer/http/problem.js'
import { ROUTES } from '../../../src/producer/http/routes.js'
import { codeIn, plain, read, rows } from './documents.js'

const DOCUMENT = 'docs/http-api.md'

test('the table of paths is the table that requests are routed by', () => {
  const expected = ROUTES.map(({ method, path, scope, summary }) => [
    method.toUpperCase(),
    `/v1${path.replace(/:(\w+)/g, '{$1}')}`,
    scope,
    summary,
  ])
  expect(rows(DOCUMENT, 'routes').map((cells) => cells.map(plain))).toEqual(expected)
})

test('the scopes and the codes of the API are all listed, with their status', () => {
  expect(rows(DOCUMENT, 'scopes').map(([scope]) => plain(scope))).toEqual(SCOPES)
  const codes = rows(DOCUMENT, 'codes').map(([code, status]) => [plain(code), Number(status)])
  expect(codes).toEqual(Object.entries(REQUEST_CODES))
})

test('the statuses of Drover’s own codes are listed', () => {
  const listed = rows(DOCUMENT, 'statuses').flatMap(([status, codes]) =>
    codeIn(codes).map((code) => [code, Number(status)]),
  )
  expect(listed.sort()).toEqual(Object.entries(STATUS_OF_CODE).sort())
})

test('every code that has a status is one of an error of Drover', () => {
  const documented = new Set(rows('docs/errors.md', 'errors').map(([, code]) => plain(code)))
  for (const code of Object.keys(STATUS_OF_CODE)) expect(documented, code).toContain(code)
  expect(npmDoor.JobStateError).toBeTypeOf('function')
})

test('the options of an enqueue are those of the producer', () => {
  expect(Object.keys(ENQUEUE_OPTIONS).sort()).toEqual(['id', ...SHARED_NAMES].sort())
})

test('every answer of a route has a schema', () => {
  const names = ROUTES.flatMap(({ answers }) => Object.values(answers))
  const known = [...Object.keys(SCHEMAS), 'Nothing', 'Event']
  expect([...new Set(names)].filter((name) => !known.includes(name))).toEqual([])
})

test('a copy of the tokens and the beat of a stream together are at most the 5 s that are promised', () => {
  const [, beat = ''] = /BEAT_MS = ([\d_]+)/.exec(read('src/producer/http/event-stream.ts')) ?? []
  expect(MAX_COPY_AGE_MS + Number(beat.replaceAll('_', ''))).toBeLessThanOrEqual(5_000)
})
