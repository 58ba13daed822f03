// The one job of fault runs: what it does is in its input, see WorkInput in processes.ts.
import { defineJob } from 'drover'
import { z } from 'zod'

/** The contract for this queue; `options` are further options of defineJob. */
export const work = (queue, options = {}) =>
  defineJob({
    name: 'work',
    queue,
    input: z.looseObject({ n: z.number() }),
    backoff: { delay: 5, jitter: 0 },
    keepResult: '24h',
    ...options,
  })
