// How many random cases a property is tried with, and from which seed: DROVER_TEST_RUNS and DROVER_TEST_SEED repeat a run.
import fc from 'fast-check'
import { testSeed } from '../support/random.js'

/** The seed of this process: every property of it starts there, so that one number repeats them all. */
export const SEED = testSeed()

/** As many cases as the environment asks for, else `usual`. */
export function runsOf(usual: number): number {
  const asked = Number(process.env.DROVER_TEST_RUNS)
  return Number.isSafeInteger(asked) && asked > 0 ? asked : usual
}

/** Settings of `fc.assert`: a failure names the seed and the path to its shortest case. */
export function settings(usual: number): { seed: number; numRuns: number; endOnFailure: boolean } {
  return { seed: SEED, numRuns: runsOf(usual), endOnFailure: false }
}

/** Prints what ran, as a run that tried nothing must not look like one that passed. */
export function report(what: string, counts: Readonly<Record<string, number>>): void {
  console.info(`${what}: seed ${SEED}, ${JSON.stringify(counts)}`)
}

/** Text of every kind: plain, any Unicode with lone surrogates, and what parsers stumble over. */
export const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('\ud800', '\udc00', 'a', '\0', '\n', '\r', '\u001b', ':', '{', '}', '|', '%', '@', '/'),
  }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'meta', 'wait', '0', '-1', '1e3', 'NaN', ''),
)
