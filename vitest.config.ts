import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

// One project per kind of test, so that `npm run check` can run the fast ones alone.
const project = (name: string, timeoutMs: number, { isolate = true } = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    isolate,
    typecheck: { enabled: false },
    // For `expect.poll`, which gives up after one second otherwise: less than a busy machine may stand still.
    expect: { poll: { timeout: 60_000 } },
  },
})

/** Files that take long begin first, so that no worker is left alone with one at the end. */
const LONG_FIRST = [
  ...['fault/rows-1', 'process/cli-dev', 'process/', 'browser/', 'fault/rows-2', 'property/queue', 'security/'],
  ...['fault/rows-3', 'integration/worker-', 'integration/redis-', 'integration/', 'fault/', 'property/'],
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONG_FIRST.findIndex((path) => moduleId.includes(`/test/${path}`))
      return found === -1 ? LONG_FIRST.length : found
    }
    return [...files].sort((one, other) => place(one) - place(other))
  }
}

export default defineConfig({
  test: {
    projects: [
      // In `maxWorkers` processes, which load src/ once each: one per file would take longer to start than most to run.
      project('unit', 120_000, { isolate: false }),
      project('integration', 120_000),
      project('process', 300_000),
      project('property', 900_000),
      project('bad-input', 300_000),
      project('security', 300_000),
      project('fault', 900_000),
      project('browser', 300_000),
    ],
    // One more than the cores of a small machine: much of the time of a test is waiting, for processes and for Redis.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
  },
})
