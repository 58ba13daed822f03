// Adds a job that somebody wrote on a page, as the app's own producer does: checked by its contract, through its middleware
// and rules. Nothing else puts an input into a queue from here.
import type { AnyJobContract } from '../../job/index.js'
import type { AddedJob, AddOptions, JobAdder } from '../options.js'
import type { Shared } from '../shared.js'

/** Whether anybody can add anything here. */
export function takesJobs({ contracts, producer }: Pick<Shared, 'contracts' | 'producer'>): boolean {
  return producer !== undefined && contracts.length > 0
}

export function contractOf(
  contracts: readonly AnyJobContract[],
  job: string,
  queue: string,
): AnyJobContract | undefined {
  return contracts.find((contract) => contract.name === job && contract.queue === queue)
}

/**
 * `formId` is the id that the form was given: sent twice, it makes one job. A key names the job by itself, and an input
 * that a stored result may serve needs none.
 * @throws as the producer
 */
export function addJob(
  producer: JobAdder,
  contract: AnyJobContract,
  input: unknown,
  { formId, options }: { readonly formId: string; readonly options: AddOptions },
): Promise<AddedJob> {
  const isNamed = options.key !== undefined || contract.cache !== undefined || formId === ''
  return producer.enqueue(contract, input, isNamed ? options : { ...options, id: formId })
}
