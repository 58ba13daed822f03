// The route about flows: jobs that wait for others, started at once.
import { InvalidOptionError, type JsonValue } from '../../job/index.js'
import type { FlowJob, StartFlowOptions } from '../producer-flows.js'
import { accessOf, answerJson, type Call } from './call.js'
import { jobBody } from './enqueue-one.js'
import { readFields } from './read-fields.js'
import type { Room } from './room.js'
import { type Route, route } from './route.js'

export const FLOW_ROUTES: readonly Route[] = [
  route(
    ['post', '/flows', 'enqueue', 'job', 'startFlow', 'Start jobs of which some wait for others'],
    { 201: 'Flow' },
    start,
    { body: 'FlowRequest' },
  ),
]

const JOB_FIELDS = ['job', 'queue', 'input', 'after', 'options'] as const

async function start(call: Call, room: Room): Promise<void> {
  const { id, jobs } = readFields(await room.readBody(call), ['id', 'jobs'])
  if (typeof jobs !== 'object' || jobs === null || Array.isArray(jobs)) {
    throw new InvalidOptionError('jobs', 'an object of jobs by name', jobs)
  }
  const given = Object.entries(jobs).map(([name, job]) => [name, jobOf(call, room, name, job)] as const)
  const options = { ...(id === undefined ? {} : { id }), jobs: Object.fromEntries(given) } as StartFlowOptions
  const flow = await room.producer.flows.start(options)
  const started = Object.entries(flow.jobs).map(([name, handle]) => [name, jobBody(handle)] as const)
  answerJson(call, 201, { id: flow.id, jobs: Object.fromEntries(started) })
}

function jobOf(call: Call, { contracts }: Room, name: string, value: JsonValue | undefined): FlowJob {
  const { job, queue, input, after, options } = readFields(value, JOB_FIELDS, `jobs.${name.slice(0, 60)}`)
  if (input === undefined) throw new InvalidOptionError('input', "the job's input, any JSON", undefined)
  const contract = contracts.find(job, queue, accessOf(call))
  return {
    job: contract,
    input,
    ...(after === undefined ? {} : { after }),
    ...(options === undefined ? {} : { options }),
  } as FlowJob
}
