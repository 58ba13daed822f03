// `drover worker`: runs the handlers of the job files until a signal ends it. The worker itself is src/worker.
import { type Command, Option } from 'commander'
import { flushThrottled } from '../../job/index.js'
import { describeRedis } from '../../redis/index.js'
import { createWorker, type HealthQuestion, type Worker } from '../../worker/index.js'
import { followParent } from '../dev/follow-parent.js'
import { EXIT_CODES } from '../exit-codes.js'
import { loadHandlers, loadMiddleware, loadSchedules } from '../job-modules.js'
import { createLogger } from '../log.js'
import { redisOf } from '../redis-connection.js'
import { addSettings, readGlobs, readSettings } from '../setting-options.js'
import { untilShutdownSignal } from '../shutdown-signals.js'
import { steerBySignals, tellUnknownSignals } from '../steering-signals.js'
import { needsSupervisor, superviseWorkers } from '../supervisor/supervise-workers.js'
import { joinSupervisor, leaveSupervisor, readProcessNumber } from '../supervisor/supervised-worker.js'
import type { Verb, VerbCall } from '../verb.js'
import { openHealth } from '../worker-health.js'

export const worker: Verb = {
  define(command: Command): void {
    command.argument('[globs...]', 'files with handlers, as for --jobs')
    addSettings(command, [
      'redis',
      'prefix',
      'jobs',
      'queues',
      'concurrency',
      'shutdownTimeout',
      'processes',
      'maxMemory',
      'maxJobs',
      'release',
      'waitTarget',
      'minWorkers',
      'maxWorkers',
      'scaleDown',
      'healthPort',
      'healthHost',
      'durability',
      'allowVolatile',
      'logLevel',
      'logFormat',
    ])
    // For drover dev and the supervisor, whose workers must not outlive them however they end.
    command.addOption(new Option('--with-parent').hideHelp())
    command.addOption(new Option('--process-number <number>').hideHelp())
    command.addHelpText(
      'after',
      `
Examples:
  $ drover worker                                  the handlers in jobs/
  $ drover worker 'src/**/*.job.ts'                those of other files; TypeScript needs no build
  $ drover worker --queues media:8,mail:2          two queues only, 8 and 2 jobs at once
  $ REDIS_URL=redis://:secret@redis.internal:6379 drover worker --concurrency 50
  $ drover worker --processes auto --max-memory 1gb   a process per core, each replaced beyond 1 GB

SIGTERM or Ctrl-C: takes no more jobs, waits for the running ones up to --shutdown-timeout, hands the rest back and
exits with 0. Another signal after a second exits at once; the jobs it was running are handed out again after 3 s.
With several processes or a limit, SIGHUP replaces the processes one by one, with the code that is there now.
SIGTSTP: take no more jobs; SIGCONT: go on. SIGTTIN, SIGTTOU: one job more or fewer of each queue at once. Where standard
input is a terminal, these stop and continue the process instead. SIGUSR2 ends nothing: nodemon needs --signal SIGTERM.`,
    )
  },

  async run({ args, options, words, out }: VerbCall): Promise<number> {
    if (options.withParent === true) followParent()
    const number = readProcessNumber(options.processNumber)
    const settings = await readSettings({ ...options, jobs: readGlobs(args, options.jobs) })
    // drover dev starts its one worker itself.
    if (options.withParent !== true && needsSupervisor(settings)) return superviseWorkers(settings, words, out)
    const logger = await createLogger(settings, out, number === undefined ? {} : { process: number })
    const handlers = await loadHandlers(settings.jobs, process.cwd())
    const schedules = await loadSchedules(settings.jobs, process.cwd())
    const { enqueue, run, open } = await loadMiddleware(settings.jobs, process.cwd())
    const redis = redisOf(settings)
    const { prefix, queues, concurrency, shutdownTimeoutMs } = settings
    let running: Worker | undefined
    const readHealth = async (question: HealthQuestion) => {
      return [{ process: 1, health: await running?.health(question), silentMs: 0 }]
    }
    // A supervisor answers for its processes.
    const health = number === undefined ? await openHealth(settings, logger, readHealth) : undefined
    running = await createWorker({
      redis,
      prefix,
      handlers,
      schedules,
      middleware: run,
      enqueueMiddleware: enqueue,
      ...(open === undefined ? {} : { openInput: open }),
      concurrency,
      ...(Object.keys(queues).length === 0 ? {} : { queues }),
      shutdownTimeout: shutdownTimeoutMs,
      ...(settings.release === undefined ? {} : { release: settings.release }),
      ...(settings.autoscale.waitTarget === undefined ? {} : { autoscale: settings.autoscale }),
      durability: settings.durability,
      allowVolatile: settings.allowVolatile,
      logger,
    })
    process.on('uncaughtExceptionMonitor', (error) => {
      flushThrottled(logger)
      logger.fatal({ err: error }, 'uncaught error, the worker ends')
    })
    const names = handlers.map(({ contract }) => contract.name).sort()
    // Who reads that it is ready may end it at once.
    const signalled = untilShutdownSignal(() => {
      flushThrottled(logger)
      logger.warn('second signal, the worker ends now')
    })
    steerBySignals(running)
    tellUnknownSignals(logger)
    logger.info({ redis: describeRedis(redis), prefix, queues: running.queues, jobs: names }, 'worker ready')
    if (number === undefined) process.send?.({ ready: true })
    else joinSupervisor(running, settings)

    const signal = await Promise.race([signalled, running.closed.then(() => 'order' as const)])
    if (signal === 'order' && number !== undefined) await leaveSupervisor()
    if (signal !== 'order') {
      logger.info({ signal, running: running.running, waitUpToMs: shutdownTimeoutMs }, 'worker closing')
    }
    const outcome = await running.close()
    await health?.close()
    logger.info(outcome, 'worker closed')
    return EXIT_CODES.ok.code
  },
}
