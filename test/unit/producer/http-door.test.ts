import { expect, it } from 'vitest'
import { filesBelow, read } from '../docs/documents.js'

it('an app that only enqueues loads neither the HTTP API nor express', () => {
  const files = filesBelow('src/producer').filter((file) => !file.startsWith('src/producer/http/'))
  expect(files.length).toBeGreaterThan(10)
  for (const file of [...files, 'src/index.ts']) expect(read(file), file).not.toMatch(/from '(\.\/http\/|express)/)
})
