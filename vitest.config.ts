import { defineConfig } from 'vitest/config'

// One project per kind of test, so that `npm run check` can run the fast ones alone.
const project = (name: string, include: string, options: { timeoutMs: number; parallel: boolean }) => ({
  test: {
    name,
    include: [include],
    testTimeout: options.timeoutMs,
    hookTimeout: options.timeoutMs,
    fileParallelism: options.parallel,
    typecheck: { enabled: false },
    // For `expect.poll`, which gives up after one second otherwise: less than a busy machine may stand still.
    expect: { poll: { timeout: 60_000 } },
  },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', 'test/unit/**/*.test.ts', { timeoutMs: 120_000, parallel: true }),
      project('integration', 'test/integration/**/*.test.ts', { timeoutMs: 120_000, parallel: true }),
      project('process', 'test/process/**/*.test.ts', { timeoutMs: 300_000, parallel: true }),
      project('property', 'test/property/**/*.test.ts', { timeoutMs: 900_000, parallel: true }),
      project('bad-input', 'test/bad-input/**/*.test.ts', { timeoutMs: 300_000, parallel: true }),
      project('security', 'test/security/**/*.test.ts', { timeoutMs: 300_000, parallel: true }),
      project('fault', 'test/fault/**/*.test.ts', { timeoutMs: 900_000, parallel: false }),
      project('browser', 'test/browser/**/*.test.ts', { timeoutMs: 300_000, parallel: false }),
    ],
    maxWorkers: 2,
  },
})
