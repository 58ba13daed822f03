// `drover enqueue`: puts one job into its queue, or one for each line of a file. The contracts come from the job files.
import type { Command } from 'commander'
import type { Settings } from '../../config/index.js'
import { encodeInput, UsageError } from '../../job/index.js'
import { createProducer, type EnqueueOptions, type Producer } from '../../producer/index.js'
import { checkFile, describeEnqueued, enqueueFile, type FileRoom } from '../enqueue/enqueue-file.js'
import { readFormat } from '../enqueue/file-rows.js'
import { readInput } from '../enqueue/read-input.js'
import { EXIT_CODES } from '../exit-codes.js'
import { loadContract, loadMiddleware } from '../job-modules.js'
import { DEFAULT_WAIT, readWaitMs, readWhole } from '../option-values.js'
import type { Output } from '../output.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, readSettings } from '../setting-options.js'
import { showResult } from '../show-result.js'
import { interruptible } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

type Options = VerbCall['options']

/** Those of one job alone. */
const NOT_WITH_FILE = ['input', 'id', 'key', 'wait'] as const
/** Those of many jobs, by their names in `Options`. */
const ONLY_WITH_FILE = { format: 'format', keyField: 'key-field', spread: 'spread', skipBad: 'skip-bad' } as const

export const enqueue: Verb = {
  define(command: Command): void {
    command
      .argument('<job>', 'name of the job, from a contract in the job files')
      .option('--input <json>', 'the input: JSON, @file, or - for standard input')
      .option('--file <file>', 'one job for each line of this NDJSON or CSV file; - for standard input')
      .option('--format <format>', 'ndjson or csv (default: csv for a name that ends in .csv, else ndjson)')
      .option('--dry-run', 'check the input or the file against the contract, and enqueue nothing')
      .option('--skip-bad', 'enqueue the good lines of a file, and tell the bad ones')
      .option('--id <id>', 'id of the job (default: a random one); an id that is there already enqueues nothing')
      .option('--key <key>', 'idempotency key: the same one with the same input is the same job')
      .option(
        '--key-field <field>',
        'field of each line that holds its idempotency key, so that a file can be given again',
      )
      .option('--key-ttl <duration>', 'how long keys hold (default: as long as the job or its result is there)')
      .option('--delay <duration>', 'wait before the job may start: 10s, 5m, 24h')
      .option('--at <time>', 'when the job may start: 2030-01-31T08:00:00Z')
      .option('--spread <duration>', 'start the jobs of a file evenly over this time')
      .option('--start-by <time>', 'fail the job if it has not begun by then: a duration or a time')
      .option('--keep-result <duration>', 'how long the result is kept (default: that of the contract)')
      .option('--tag <tag...>', 'tags to find the job by')
      .option('--priority <number>', '1 (first) to 2097151 (last); jobs without one come before all')
      .option('--attempts <number>', 'most attempts (default: those of the contract)')
      .option('--wait [timeout]', `wait for the end of the job and show its result (default time: ${DEFAULT_WAIT})`)
    addSettings(command, ['redis', 'prefix', 'timeout', 'jobs', 'durability', 'allowVolatile'])
    command.addHelpText(
      'after',
      `
Prints the id of the job; with --wait its result, and exits with 1 when the job failed, 4 when it did not end in time.
A file is checked before its first job is enqueued; standard input is checked as it comes, in chunks of 500 lines.
With --skip-bad the good lines are enqueued, and the exit code is 5 when there were others.
The first line of CSV names the fields. A cell is text, or what the schema wants: a number, true or false, left out.

Examples:
  $ drover enqueue image.resize --input '{"url":"https://example.com/cat.jpg","width":800}'
  $ drover enqueue image.resize --input @cat.json --wait 30s
  $ echo '{"to":"ada@example.com"}' | drover enqueue mail.send --input - --delay 10m --id welcome-ada
  $ drover enqueue image.resize --file images.ndjson --priority 10
  $ drover enqueue image.resize --file images.csv --key-field url --skip-bad --spread 1h`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [job = ''] = args
    const enqueueOptions = readEnqueueOptions(options)
    const waitMs = readWaitMs(options.wait)
    const { file } = options
    if (typeof file === 'string') refuseWithFile(options)
    else refuseWithoutFile(options)
    const settings = await readSettings(options)
    const contract = await loadContract(job, settings.jobs, process.cwd())
    if (typeof file === 'string') {
      const room = { ...readFileRules(file, options), contract, options: withoutKey(enqueueOptions), out }
      if (options.dryRun === true) return untilInterrupted((signal) => checkFile(file, { ...room, signal }))
      return withProducer(settings, (producer) => enqueueRows(file, { ...room, producer }))
    }
    const input = await readInput(options.input)
    if (options.dryRun === true) {
      await encodeInput(contract, input)
      if (out.json) out.printJson({ job, queue: contract.queue, dryRun: true, good: 1, bad: 0, problems: [] })
      else out.print('the input is good: nothing was enqueued')
      return EXIT_CODES.ok.code
    }
    return withProducer(settings, async (producer) => {
      const handle = await producer.enqueue(contract, input, enqueueOptions)
      if (waitMs !== undefined) return waitForEnd(producer, handle, waitMs, out)
      const known = handle.deduplicated ? { deduplicated: true } : {}
      if (out.json) out.printJson({ id: handle.id, job: handle.name, queue: handle.queue, ...known })
      else out.print(handle.id)
      return EXIT_CODES.ok.code
    })
  },
}

async function withProducer(settings: Settings, work: (producer: Producer) => Promise<number>): Promise<number> {
  const { enqueue: middleware } = await loadMiddleware(settings.jobs, process.cwd())
  const producer = createProducer({
    middleware,
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

function enqueueRows(file: string, room: Omit<FileRoom, 'signal'>): Promise<number> {
  let enqueued = 0
  return interruptible(
    () => describeEnqueued(enqueued),
    (signal) =>
      enqueueFile(file, { ...room, signal }, (count) => {
        enqueued = count
      }),
  )
}

function untilInterrupted(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  return interruptible(() => describeEnqueued(0), work)
}

function readFileRules(file: string, { format, keyField, spread, skipBad }: Options) {
  return {
    format: readFormat(format, file),
    keyField: typeof keyField === 'string' ? keyField : undefined,
    spread: typeof spread === 'string' ? spread : undefined,
    skipsBad: skipBad === true,
  }
}

async function waitForEnd(
  producer: Producer,
  job: { readonly id: string; readonly name: string; readonly queue: string },
  timeout: number,
  out: Output,
): Promise<number> {
  const { record } = await interruptible(
    () => `job ${job.id} goes on; see its end with: drover result ${job.queue} ${job.id} --wait`,
    (signal) => {
      // Told only now that a signal is heeded: who reads it may send one at once.
      out.note(`enqueued job ${job.id} in queue ${job.queue}`)
      return producer.results.wait(job, { timeout, signal })
    },
  )
  return showResult(out, record)
}

/** As given; the producer checks the values, except that it wants numbers. */
function readEnqueueOptions(options: Options): EnqueueOptions {
  const { id, key, keyTtl, delay, at, startBy, keepResult, tag, priority, attempts } = options
  const given = {
    id,
    key,
    keyTtl,
    delay,
    at,
    startBy,
    keepResult,
    tags: tag,
    priority: readWhole('--priority', priority),
    attempts: readWhole('--attempts', attempts),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

function withoutKey({ id: _id, key: _key, ...options }: EnqueueOptions): FileRoom['options'] {
  return options
}

function refuseWithFile(options: Options): void {
  const given = NOT_WITH_FILE.filter((name) => options[name] !== undefined).map((name) => `--${name}`)
  if (given.length > 0)
    throw new UsageError(`${given.join(', ')} cannot be given with --file, which enqueues many jobs`)
}

function refuseWithoutFile(options: Options): void {
  const given = Object.entries(ONLY_WITH_FILE).filter(([name]) => options[name] !== undefined)
  const flags = given.map(([, flag]) => `--${flag}`).join(', ')
  if (given.length > 0) throw new UsageError(`${flags} can only be given with --file`)
}
