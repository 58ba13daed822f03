// The rows of a file that were refused: how many, why the first ones, and on which line the row of an index stands.
import type { BulkFailure } from '../../producer/index.js'
import type { Output } from '../output.js'
import type { InputFile } from './input-lines.js'

/** So many are told one by one. */
const MAX_SHOWN = 20

export class BadRows {
  readonly #out: Output
  readonly #shown: string[] = []
  #count = 0
  #good = 0
  /** Where the distance between the index of a good row and its line changes: [index, line]. */
  readonly #steps: [number, number][] = []

  constructor(out: Output) {
    this.#out = out
  }

  get count(): number {
    return this.#count
  }

  /** The first problems, in words. */
  get shown(): readonly string[] {
    return this.#shown
  }

  add(problem: unknown): void {
    this.#count++
    if (this.#shown.length < MAX_SHOWN) this.#shown.push(problem instanceof Error ? problem.message : String(problem))
  }

  /** Tells the line of the next good row. */
  noteGood(line: number): void {
    const [index, at] = this.#steps.at(-1) ?? [0, Number.NaN]
    if (at + (this.#good - index) !== line) this.#steps.push([this.#good, line])
    this.#good++
  }

  /** Adds good rows that the bulk refused: a conflict of keys, a full queue. */
  addFailures(file: InputFile, failures: readonly BulkFailure[], count: number): void {
    for (const { index, error } of failures) {
      const reason = error instanceof Error ? error.message : String(error)
      this.add(`line ${this.#lineOf(index)} of ${file.name}: ${reason}`)
    }
    this.#count += count - failures.length
  }

  /** `90 rows are good, 10 are bad`; the first bad ones go to standard error. */
  describe(good: number): string {
    for (const problem of this.#shown) this.#out.note(problem)
    const more = this.#count - this.#shown.length
    if (more > 0) this.#out.note(`and ${more.toLocaleString('en-US')} more`)
    return `${good.toLocaleString('en-US')} rows are good, ${this.#count.toLocaleString('en-US')} are bad`
  }

  #lineOf(index: number): number {
    const [first, line] = this.#steps.findLast(([start]) => start <= index) ?? [0, 1]
    return line + (index - first)
  }
}
