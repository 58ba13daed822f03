import { expect, it } from 'vitest'
import { filesBelow, read } from '../docs/documents.js'

it('an app that only enqueues loads neither the HTTP API nor express, and no outbox', () => {
  const files = filesBelow('src/producer').filter((file) => !/^src\/producer\/(http|postgres)\//.test(file))
  expect(files.length).toBeGreaterThan(10)
  for (const file of [...files, 'src/index.ts'])
    expect(read(file), file).not.toMatch(/from '(\.\/(producer\/)?(http|postgres)\/|express)/)
})

it('the outbox is given its Postgres client and loads none', () => {
  const files = filesBelow('src').filter((file) => file.endsWith('.ts'))
  for (const file of files) expect(read(file), file).not.toMatch(/from 'pg'|import\('pg'\)/)
})
