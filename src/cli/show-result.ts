// How `enqueue --wait` and `result` show the end of a job.
import type { JobResult } from '../ledger/index.js'
import { EXIT_CODES } from './exit-codes.js'
import type { Output } from './output.js'

/** Prints the value, or the error with exit code 1. With --json the whole record, either way. */
export function showResult(out: Output, result: JobResult<unknown>): number {
  if (out.json) out.printJson(result)
  else if (result.status === 'completed') out.print(JSON.stringify(result.value, null, 2))
  else {
    const { name, message } = result.error
    const tries = result.attempts === 1 ? '1 attempt' : `${result.attempts} attempts`
    out.note(`drover: job ${result.id} failed after ${tries}: ${name}: ${message}`)
  }
  return result.status === 'completed' ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
}
