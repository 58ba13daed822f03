import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

interface Step {
  uses?: string
  run?: string
  if?: string
  with?: Readonly<Record<string, string>>
}

const root = new URL('../../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const { test: job, audit } = parse(read('.github/workflows/ci.yml'), { strict: true }).jobs
const steps: Step[] = job.steps

test('hosted CI runs npm test on Node 20, 22 and 24 with Redis 7, Redis 8 and Valkey', () => {
  const { node, server } = job.strategy.matrix
  expect(node).toEqual([20, 22, 24])
  const images = server.map(({ image }: { image: string }) => /^(redis:\d|valkey\/valkey)/.exec(image)?.[0])
  expect(images).toEqual(['redis:7', 'redis:8', 'valkey/valkey'])
  expect(steps.filter(({ run }) => run === 'npm test')).toHaveLength(1)
})

test('hosted CI keeps the pictures of the browser tests, also of a run that failed', () => {
  const last = steps.at(-1)
  expect(last?.uses).toMatch(/^actions\/upload-artifact@/)
  expect([last?.if, last?.with?.path]).toEqual(['always()', 'test-output'])
})

test('every action is pinned to one version', () => {
  for (const { uses } of [...steps, ...(audit.steps as Step[])]) {
    if (uses !== undefined) expect(uses).toMatch(/@v\d+\.\d+\.\d+$/)
  }
})

test('hosted CI looks for known vulnerabilities in what is installed', () => {
  expect((audit.steps as Step[]).at(-1)?.run).toBe('npm audit --audit-level=high')
})

test('the check that runs on each change is npm test', () => {
  expect(read('.ci/run')).toMatch(/^exec npm test$/m)
})
