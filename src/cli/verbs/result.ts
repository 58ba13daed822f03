// `drover result`: how a job ended, now or when it ends.
import type { Command } from 'commander'
import type { Settings } from '../../config/index.js'
import { JobNotFinishedError, ResultNotFoundError } from '../../job/index.js'
import { type JobResult, parseResult, ResultWaiter } from '../../ledger/index.js'
import {
  checkJobId,
  checkQueueName,
  createSubscriberClient,
  type KeysOfQueue,
  queueKeys,
  type RedisClient,
  type RedisSettings,
} from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { DEFAULT_WAIT, readWaitMs } from '../option-values.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import { showResult } from '../show-result.js'
import { interruptible } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

export const result: Verb = {
  define(command: Command): void {
    command
      .argument('<queue>', 'queue of the job')
      .argument('<id>', 'id of the job, as `drover enqueue` printed it')
      .option('--wait [timeout]', `wait for the end of the job (default time: ${DEFAULT_WAIT})`)
      .option('--raw', 'the record as it is in Redis, byte for byte')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
Examples:
  $ drover result media c3k9x1                   the value; exit code 1 and the error when the job failed
  $ drover result media c3k9x1 --wait 5m
  $ drover result media c3k9x1 --json | jq .attempts`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [queue = '', id = ''] = args
    // A job that a person added in the dashboard has a number for its id.
    const job = { queue: checkQueueName(queue), id: /^\d+$/.test(id) ? id : checkJobId(id) }
    const waitMs = readWaitMs(options.wait)
    const settings = await readSettings(options)
    return withRedis(settings, async (client, redis) => {
      const keys = queueKeys(settings.prefix, queue)
      if (waitMs !== undefined) await waitFor(job, waitMs, { client, redis, settings })
      const { text, parsed } = await read(client, keys, job)
      if (options.raw !== true) return showResult(out, parsed)
      out.print(text)
      return parsed.status === 'completed' ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
    })
  },
}

interface Job {
  readonly queue: string
  readonly id: string
}

interface Connection {
  readonly client: RedisClient
  readonly redis: RedisSettings
  readonly settings: Settings
}

async function waitFor(job: Job, timeoutMs: number, { client, redis, settings }: Connection): Promise<void> {
  const waiter = new ResultWaiter({
    prefix: settings.prefix,
    reader: client,
    openSubscriber: (onError) => createSubscriberClient(redis, { onError }),
  })
  try {
    await interruptible(
      () => `job ${job.id} goes on`,
      (signal) => waiter.wait(job, { timeoutMs, signal }),
    )
  } finally {
    waiter.close()
  }
}

async function read(
  client: RedisClient,
  keys: KeysOfQueue,
  { queue, id }: Job,
): Promise<{ text: string; parsed: JobResult }> {
  const text = await client.get(keys.result(id))
  const parsed = parseResult(text)
  if (text !== null && parsed !== null) return { text, parsed }
  const isThere = (await client.exists(keys.bullBase + id)) === 1
  throw isThere ? new JobNotFinishedError(id, queue) : new ResultNotFoundError(id, queue)
}
