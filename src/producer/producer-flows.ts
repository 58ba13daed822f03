// producer.flows: jobs that wait for others, as a graph. Each job with dependencies is what follows a batch of them
// (src/ledger/batches), so it is enqueued once, in the commit of the last one.
import {
  type AnyJobContract,
  checkWhole,
  EmptyFlowError,
  encodeInput,
  FlowError,
  type InputOf,
  InvalidOptionError,
  isJobContract,
  newJobId,
  type ResultOf,
  refuseUnknown,
} from '../job/index.js'
import {
  type BatchRoom,
  closeBatch,
  createBatch,
  newStoredJob,
  planQueueing,
  type QueueingOptions,
  type StagedJob,
  type StoredOptions,
  type StoringMiddleware,
  textThrough,
  withLimit,
} from '../ledger/index.js'
import { checkJobId } from '../redis/index.js'
import type { BullQueues } from './bull-queues.js'
import type { JobHandle } from './job-handle.js'
import type { RedisGate } from './redis-gate.js'
import { sendJobs } from './send-jobs.js'

/** One job of a flow. */
export interface FlowJob<Contract extends AnyJobContract = AnyJobContract> {
  readonly job: Contract
  readonly input: InputOf<Contract>
  /** Names of the jobs of the flow that must have completed first. Default none: it is enqueued at once. */
  readonly after?: readonly string[] | undefined
  readonly options?: Pick<QueueingOptions, 'priority' | 'attempts' | 'keepResult'> | undefined
}

/** Contracts of a flow's jobs, by the names that the flow gives them. */
export type FlowContracts = Readonly<Record<string, AnyJobContract>>

export interface StartFlowOptions<Jobs extends FlowContracts = FlowContracts> {
  /** 1 to 64 characters as of a job id. Default: a random one. A flow that is started again with its id goes on. */
  readonly id?: string | undefined
  /** By name: 1 to 60 characters of A-Z a-z 0-9 _ -. The id of each is `<flow>.<name>`. At most 1000. */
  readonly jobs: { readonly [Name in keyof Jobs]: FlowJob<Jobs[Name]> }
}

export interface FlowHandle<Jobs extends FlowContracts = FlowContracts> {
  readonly id: string
  /** By name, to wait for their results with. */
  readonly jobs: { readonly [Name in keyof Jobs]: JobHandle<ResultOf<Jobs[Name]>> }
}

const MAX_JOBS = 1_000
const NAME = /^[A-Za-z0-9_-]{1,60}$/
const FLOW_ID_LENGTH = 64

interface Node extends StagedJob {
  readonly name: string
  readonly after: readonly string[]
}

export class ProducerFlows {
  readonly #gate: RedisGate
  readonly #prefix: string
  readonly #queues: BullQueues
  readonly #middleware: readonly StoringMiddleware[] | undefined

  constructor(gate: RedisGate, prefix: string, queues: BullQueues, middleware?: readonly StoringMiddleware[]) {
    this.#gate = gate
    this.#prefix = prefix
    this.#queues = queues
    this.#middleware = middleware
  }

  /**
   * Starts a flow: the jobs without dependencies are enqueued now, each other one in the commit of the last job that it
   * waits for. A job that failed for good holds those after it; a manual retry that completes lets them go on. Given
   * again with its id, after a crash or RedisUnavailableError, it enqueues what is missing and nothing twice.
   * @throws FlowError for a cycle or an unknown dependency, EmptyFlowError; InvalidOptionError, UnknownOptionError,
   *   InvalidJobIdError, InvalidInputError, NotJsonError, TooLargeError: nothing was enqueued then; else as `enqueue`
   */
  async start<const Jobs extends FlowContracts>(options: StartFlowOptions<Jobs>): Promise<FlowHandle<Jobs>> {
    const startedMs = performance.now()
    refuseUnknown(options, ['id', 'jobs'], 'flows.start')
    const { id = newJobId(), jobs } = options
    checkJobId(id)
    if (id.length > FLOW_ID_LENGTH) throw new InvalidOptionError('id', `at most ${FLOW_ID_LENGTH} characters`, id)
    const nodes = await this.#plan(id, jobs as StartFlowOptions['jobs'])
    for (const node of nodes) if (node.after.length > 0) await this.#hold(node)
    const roots = nodes.filter(({ after }) => after.length === 0)
    for (const [queue, members] of byQueue(roots)) {
      const call = { operation: `the start of flow ${id}`, startedMs }
      await sendJobs(this.#gate, this.#queues.get(queue), members, call)
    }
    const handles = nodes.map(({ name, queue, jobId, job }) => [name, { id: jobId, name: job.name, queue }] as const)
    return { id, jobs: Object.fromEntries(handles) as FlowHandle<Jobs>['jobs'] }
  }

  async #plan(id: string, jobs: StartFlowOptions['jobs']): Promise<Node[]> {
    if (typeof jobs !== 'object' || jobs === null || Array.isArray(jobs)) {
      throw new InvalidOptionError('jobs', 'an object of jobs by name', jobs)
    }
    const names = Object.keys(jobs)
    if (names.length === 0) throw new EmptyFlowError()
    checkWhole('number of jobs', names.length, 1, MAX_JOBS)
    for (const name of names) checkJob(name, jobs)
    checkAcyclic(jobs)
    const queues = new Set(names.map((name) => jobs[name]?.job.queue ?? ''))
    if (this.#gate.client.isCluster && queues.size > 1) {
      throw new FlowError('jobs of one queue', `queues ${[...queues].join(', ')}`, 'a cluster keeps queues apart')
    }
    return Promise.all(names.map((name) => this.#node(id, name, jobs)))
  }

  async #node(id: string, name: string, jobs: StartFlowOptions['jobs']): Promise<Node> {
    const { job: contract, input, after = [], options } = jobs[name] as FlowJob
    const now = Date.now()
    const jobId = `${id}.${name}`
    const inputText = await encodeInput(contract, input)
    const text = await textThrough(this.#middleware, { contract, id: jobId, input, options, inputText })
    const needs = after.map((each) => [each, { queue: jobs[each]?.job.queue ?? '', id: `${id}.${each}` }] as const)
    const followers = Object.keys(jobs).filter((other) => jobs[other]?.after?.includes(name))
    const stored: StoredOptions = {
      ...withLimit(contract, planQueueing(contract, options, now), input),
      ...(needs.length === 0 ? {} : { needs: Object.fromEntries(needs) }),
      ...(followers.length === 0
        ? {}
        : {
            countsIn: followers.map((other) => this.#room(jobs[other]?.job.queue ?? '').keys.batch(`${id}.${other}`)),
          }),
    }
    const { queue } = contract
    return { name, after, queue, jobId, job: newStoredJob(contract.name, jobId, text, stored, now) }
  }

  /** Keeps a job until those that it waits for have completed. */
  async #hold({ queue, jobId, job, after }: Node): Promise<void> {
    const room = this.#room(queue)
    this.#queues.get(queue).list()
    await this.#gate.run('the start of a flow', async () => {
      await createBatch(room, { id: jobId, jobs: { success: { queue, jobId, job } } })
      await closeBatch(room, jobId, after.length)
    })
  }

  #room(queue: string): BatchRoom {
    const { backend, keys } = this.#queues.get(queue)
    return { client: this.#gate.client, backend, prefix: this.#prefix, keys }
  }
}

function checkJob(name: string, jobs: StartFlowOptions['jobs']): void {
  if (!NAME.test(name)) throw new InvalidOptionError('jobs', 'names of 1 to 60 characters of A-Z a-z 0-9 _ -', name)
  const job = jobs[name] as FlowJob
  refuseUnknown(job, ['job', 'input', 'after', 'options'], `jobs.${name}`)
  if (!isJobContract(job.job)) throw new InvalidOptionError(`jobs.${name}.job`, 'what defineJob returned', job.job)
  if (job.options !== undefined)
    refuseUnknown(job.options, ['priority', 'attempts', 'keepResult'], `jobs.${name}.options`)
  const { after = [] } = job
  if (!Array.isArray(after)) throw new InvalidOptionError(`jobs.${name}.after`, 'an array of names', after)
  for (const each of after) {
    if (!Object.hasOwn(jobs, each))
      throw new FlowError('names of jobs of the flow', String(each), `job ${name} is after it`)
  }
  if (new Set(after).size < after.length)
    throw new FlowError('each name once', after.join(', '), `in after of job ${name}`)
}

/** Takes away, again and again, what waits for nothing that is left; what cannot be taken away waits for itself. */
function checkAcyclic(jobs: StartFlowOptions['jobs']): void {
  const left = new Set(Object.keys(jobs))
  for (let before = -1; left.size !== before; ) {
    before = left.size
    for (const name of left) if (!jobs[name]?.after?.some((each) => left.has(each))) left.delete(name)
  }
  if (left.size > 0) throw new FlowError('no cycle', [...left].join(', '), 'each of them waits for another of them')
}

function byQueue(nodes: readonly Node[]): Map<string, Node[]> {
  const queues = new Map<string, Node[]>()
  for (const node of nodes) queues.set(node.queue, [...(queues.get(node.queue) ?? []), node])
  return queues
}
