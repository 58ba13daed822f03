// `drover enqueue`: puts one job into its queue, or one for each line of a file. The contracts come from the job files.
import type { Command } from 'commander'
import type { Settings } from '../../config/index.js'
import { type AnyJobContract, UsageError } from '../../job/index.js'
import { createProducer, type EnqueueOptions, type Producer } from '../../producer/index.js'
import { describeEnqueued, enqueueFile } from '../enqueue/enqueue-file.js'
import { readInput } from '../enqueue/read-input.js'
import { EXIT_CODES } from '../exit-codes.js'
import { loadContract } from '../job-modules.js'
import { DEFAULT_WAIT, readWaitMs, readWhole } from '../option-values.js'
import type { Output } from '../output.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, readSettings } from '../setting-options.js'
import { showResult } from '../show-result.js'
import { interruptible } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

type Options = VerbCall['options']

/** Those of one job alone. */
const NOT_WITH_FILE = ['input', 'id', 'wait'] as const

export const enqueue: Verb = {
  define(command: Command): void {
    command
      .argument('<job>', 'name of the job, from a contract in the job files')
      .option('--input <json>', 'the input: JSON, @file, or - for standard input')
      .option('--file <file>', 'one job for each line of this NDJSON file, each line an input; - for standard input')
      .option('--id <id>', 'id of the job (default: a random one); an id that is there already enqueues nothing')
      .option('--delay <duration>', 'wait before the job may start: 10s, 5m, 24h')
      .option('--at <time>', 'when the job may start: 2030-01-31T08:00:00Z')
      .option('--priority <number>', '1 (first) to 2097151 (last); jobs without one come before all')
      .option('--attempts <number>', 'most attempts (default: those of the contract)')
      .option('--wait [timeout]', `wait for the end of the job and show its result (default time: ${DEFAULT_WAIT})`)
    addSettings(command, ['redis', 'prefix', 'timeout', 'jobs', 'durability', 'allowVolatile'])
    command.addHelpText(
      'after',
      `
Prints the id of the job; with --wait its result, and exits with 1 when the job failed, 4 when it did not end in time.
A file is checked before its first job is enqueued; standard input is checked as it comes, in chunks of 500 lines.

Examples:
  $ drover enqueue image.resize --input '{"url":"https://example.com/cat.jpg","width":800}'
  $ drover enqueue image.resize --input @cat.json --wait 30s
  $ echo '{"to":"ada@example.com"}' | drover enqueue mail.send --input - --delay 10m --id welcome-ada
  $ drover enqueue image.resize --file images.ndjson --priority 10`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [job = ''] = args
    const enqueueOptions = readEnqueueOptions(options)
    const waitMs = readWaitMs(options.wait)
    const { file } = options
    if (typeof file === 'string') refuseWithFile(options)
    const settings = await readSettings(options)
    const contract = await loadContract(job, settings.jobs, process.cwd())
    if (typeof file === 'string') {
      return withProducer(settings, (producer) =>
        enqueueLines(file, { producer, contract, options: enqueueOptions, out }),
      )
    }
    const input = await readInput(options.input)
    return withProducer(settings, async (producer) => {
      const handle = await producer.enqueue(contract, input, enqueueOptions)
      if (waitMs !== undefined) return waitForEnd(producer, handle, waitMs, out)
      if (out.json) out.printJson({ id: handle.id, job: handle.name, queue: handle.queue })
      else out.print(handle.id)
      return EXIT_CODES.ok.code
    })
  },
}

async function withProducer(settings: Settings, work: (producer: Producer) => Promise<number>): Promise<number> {
  const producer = createProducer({
    redis: redisOf(settings),
    prefix: settings.prefix,
    timeout: settings.timeoutMs,
    durability: settings.durability,
    allowVolatile: settings.allowVolatile,
  })
  try {
    return await work(producer)
  } finally {
    await producer.close()
  }
}

interface LinesRoom {
  readonly producer: Producer
  readonly contract: AnyJobContract
  readonly options: EnqueueOptions
  readonly out: Output
}

function enqueueLines(file: string, room: LinesRoom): Promise<number> {
  let enqueued = 0
  return interruptible(
    () => describeEnqueued(enqueued),
    (signal) =>
      enqueueFile(file, { ...room, signal }, (count) => {
        enqueued = count
      }),
  )
}

async function waitForEnd(
  producer: Producer,
  job: { readonly id: string; readonly name: string; readonly queue: string },
  timeout: number,
  out: Output,
): Promise<number> {
  out.note(`enqueued job ${job.id} in queue ${job.queue}`)
  const { record } = await interruptible(
    () => `job ${job.id} goes on; see its end with: drover result ${job.queue} ${job.id} --wait`,
    (signal) => producer.results.wait(job, { timeout, signal }),
  )
  return showResult(out, record)
}

/** As given; the producer checks the values, except that it wants numbers. */
function readEnqueueOptions({ id, delay, at, priority, attempts }: Options): EnqueueOptions {
  const given = {
    id,
    delay,
    at,
    priority: readWhole('--priority', priority),
    attempts: readWhole('--attempts', attempts),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function refuseWithFile(options: Options): void {
  const given = NOT_WITH_FILE.filter((name) => options[name] !== undefined).map((name) => `--${name}`)
  if (given.length > 0)
    throw new UsageError(`${given.join(', ')} cannot be given with --file, which enqueues many jobs`)
}
