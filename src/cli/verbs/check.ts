// `drover check`: tries what is stored in the queues against the job files of this build, before it is deployed. Reads only.
import type { Command } from 'commander'
import { type AnyJobContract, checkWhole, UsageError } from '../../job/index.js'
import { queueKeys } from '../../redis/index.js'
import { type Finding, Findings } from '../check/findings.js'
import { readStoredInputs } from '../check/stored-inputs.js'
import { EXIT_CODES } from '../exit-codes.js'
import { loadContracts, loadMiddleware } from '../job-modules.js'
import type { Output } from '../output.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readGlobs, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const DEFAULT_SAMPLES = 3
const MAX_SAMPLES = 100

export const check: Verb = {
  define(command: Command): void {
    command
      .argument('[globs...]', 'files with jobs, as for --jobs')
      .option('--sample <number>', `ids shown of each problem, 0 to ${MAX_SAMPLES} (default: ${DEFAULT_SAMPLES})`)
      .option('--skip-failed', 'leave failed jobs out: they break only when somebody retries them')
    addSettings(command, [...REDIS_OPTIONS, 'jobs'])
    command.addHelpText(
      'after',
      `
Reads the queues of the job files: waiting, prioritized, delayed, active and failed jobs, and schedules that were set at run
time. Each stored input goes through upcast and schema, as a worker of this build would take it. A job name that no job
file knows, an input of a newer version and one that is not JSON are problems too. Inputs are never shown.
Exit code 1 when something would break.

Examples:
  $ drover check
  $ drover check 'src/**/*.job.ts' --skip-failed --json`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const mostSamples = options.sample === undefined ? DEFAULT_SAMPLES : Number(options.sample)
    checkWhole('--sample', mostSamples, 0, MAX_SAMPLES)
    const settings = await readSettings({ ...options, jobs: readGlobs(args, options.jobs) })
    const byQueue = groupByQueue(await loadContracts(settings.jobs, process.cwd()))
    if (byQueue.size === 0)
      throw new UsageError('no job is exported by the job files, so there is nothing to check against')
    const { open } = await loadMiddleware(settings.jobs, process.cwd())
    return withRedis(settings, async (client) => {
      const findings: Finding[] = []
      let checked = 0
      for (const [queue, contracts] of byQueue) {
        const ofQueue = new Findings(queue, contracts, { mostSamples, open })
        for await (const stored of readStoredInputs(client, queueKeys(settings.prefix, queue))) {
          if (stored.state !== 'failed' || options.skipFailed !== true) await ofQueue.check(stored)
        }
        findings.push(...ofQueue.all)
        checked += ofQueue.checked
      }
      show(out, [...byQueue.keys()], checked, findings)
      return findings.length > 0 ? EXIT_CODES.failed.code : EXIT_CODES.ok.code
    })
  },
}

function groupByQueue(contracts: readonly AnyJobContract[]): Map<string, AnyJobContract[]> {
  const byQueue = new Map<string, AnyJobContract[]>()
  for (const contract of contracts) byQueue.set(contract.queue, [...(byQueue.get(contract.queue) ?? []), contract])
  return byQueue
}

function show(out: Output, queues: readonly string[], checked: number, findings: readonly Finding[]): void {
  const broken = findings.reduce((sum, { count }) => sum + count, 0)
  if (out.json) {
    out.printJson({ queues, checked, broken, findings })
    return
  }
  for (const { queue, job, state, code, reason, count, samples } of findings) {
    const shown = samples.map(({ id, paths }) => (paths.length === 0 ? id : `${id} at ${paths.join(', ')}`))
    const why = reason === undefined ? '' : ` (${reason})`
    const which = shown.length === 0 ? '' : `: ${shown.join('; ')}`
    out.print(`${out.paint('red', code)}  queue ${queue}, job ${job}, ${state}: ${count}${why}${which}`)
  }
  out.print(`${checked} stored inputs of ${queues.length} queues checked, ${broken} would break`)
}
