// The results of the jobs of a flow that a job was enqueued after, as its handler reads them.
import { type AnyJobContract, DependencyError, type ResultOf } from '../job/index.js'
import type { JobResult } from '../ledger/index.js'

export type Needs = Readonly<Record<string, { readonly queue: string; readonly id: string }>>
export type ReadResult = (queue: string, id: string) => Promise<JobResult | null>

/** @throws DependencyError */
export async function readDependency<Contract extends AnyJobContract>(
  name: string,
  contract: Contract,
  needs: Needs | undefined,
  read: ReadResult | undefined,
): Promise<ResultOf<Contract>> {
  const need = needs !== undefined && Object.hasOwn(needs, name) ? needs[name] : undefined
  if (need === undefined) throw new DependencyError(name, 'the job was not enqueued after one of this name')
  if (read === undefined) throw new DependencyError(name, 'an isolated handler cannot read it; hand it on in the input')
  const result = await read(need.queue, need.id)
  if (result === null) throw new DependencyError(name, `job ${need.id} has none any more; raise its keepResult`)
  if (result.status === 'failed') throw new DependencyError(name, `job ${need.id} failed after it had completed`)
  if (result.job !== contract.name) throw new DependencyError(name, `it is of job ${result.job}, not ${contract.name}`)
  return result.value as ResultOf<Contract>
}
