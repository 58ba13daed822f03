// `drover serve`: the dashboard, until a signal ends it. The dashboard itself is src/dashboard.
import type { Command } from 'commander'
import type { Logger } from 'pino'
import type { Settings } from '../../config/index.js'
import { createDashboard } from '../../dashboard/index.js'
import { describeRedis, logDurability, readServerInfo } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { createLogger } from '../log.js'
import { readWhole } from '../option-values.js'
import { redisOf, withRedis } from '../redis-connection.js'
import { addSettings, readSettings } from '../setting-options.js'
import { untilShutdownSignal } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

export const serve: Verb = {
  define(command: Command): void {
    command
      .option('--read-only', 'let no page change a job or a queue')
      .option(
        '--trust-proxy <number>',
        'how many reverse proxies in front may say who asked, and over https (default: 0)',
      )
    addSettings(command, [
      'redis',
      'prefix',
      'host',
      'port',
      'basePath',
      'token',
      'durability',
      'logLevel',
      'logFormat',
    ])
    command.addHelpText(
      'after',
      `
Examples:
  $ drover serve                                             on this machine only, without a sign-in
  $ DROVER_TOKEN=… drover serve --host 0.0.0.0 --port 8080   for other machines: a token is needed
  $ drover serve --host 0.0.0.0 --token-file /run/secrets/drover-token --base-path /admin/jobs

The token is never an argument, which anyone on the machine could read.
SIGTERM or Ctrl-C: ends the requests that are being answered, then exits with 0. A second signal exits at once.`,
    )
  },

  async run({ options, out }: VerbCall): Promise<number> {
    const settings = await readSettings(options)
    const logger = await createLogger(settings, out)
    const redis = redisOf(settings)
    const { prefix, host, port, basePath, token } = settings
    const dashboard = createDashboard({
      redis,
      prefix,
      host,
      port,
      basePath,
      token,
      readOnly: options.readOnly === true,
      trustProxy: readWhole('--trust-proxy', options.trustProxy),
      logger,
    })
    try {
      const { url } = await dashboard.listen()
      logger.info({ url, redis: describeRedis(redis), prefix, signIn: token !== undefined }, 'dashboard ready')
      await sayDurability(settings, logger)
      const signal = await untilShutdownSignal(() => logger.warn('second signal, the dashboard ends now'))
      logger.info({ signal }, 'dashboard closing')
    } finally {
      await dashboard.close()
    }
    logger.info('dashboard closed')
    return EXIT_CODES.ok.code
  },
}

// The dashboard takes no jobs, and is where people look when something is wrong: it serves any Redis, and says what it is.
async function sayDurability(settings: Settings, logger: Logger): Promise<void> {
  try {
    await withRedis(settings, async (client) => logDurability(logger, await readServerInfo(client), settings))
  } catch {
    // A Redis that is away or refuses us is logged where the dashboard's own connection is watched.
  }
}
