// `drover serve`: the dashboard and the HTTP API on one port, until a signal ends them. They are src/dashboard and
// src/producer/http; neither knows of the other.
import type { Command } from 'commander'
import type { Logger } from 'pino'
import type { Settings } from '../../config/index.js'
import { createDashboard, type ProxyUserOptions } from '../../dashboard/index.js'
import { UsageError } from '../../job/index.js'
import { createHttpApi } from '../../producer/http/index.js'
import { createProducer } from '../../producer/index.js'
import { describeRedis, logDurability, readServerInfo } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { loadContracts, loadMiddleware } from '../job-modules.js'
import { createLogger } from '../log.js'
import { readWhole } from '../option-values.js'
import { redisOf, withRedis } from '../redis-connection.js'
import { addSettings, readSettings } from '../setting-options.js'
import { untilShutdownSignal } from '../shutdown-signals.js'
import type { Verb, VerbCall } from '../verb.js'

const RATE_WINDOW = '10s'
const SETTINGS = [
  ...(['redis', 'prefix', 'host', 'port', 'basePath', 'token', 'jobs', 'timeout'] as const),
  ...(['durability', 'allowVolatile', 'logLevel', 'logFormat'] as const),
]

export const serve: Verb = {
  define(command: Command): void {
    command
      .option('--read-only', 'let no page change a job or a queue; the API is then for its own tokens alone')
      .option('--redact <paths>', 'values that no page shows, such as input.password,result.*.token')
      .option('--no-api', 'serve the dashboard without the HTTP API')
      .option('--rate-limit <number>', `requests to the API per token in ${RATE_WINDOW}; 0 takes any (default: 10000)`)
      .option(
        '--trust-proxy <number>',
        'how many reverse proxies in front may say who asked, and over https (default: 0)',
      )
      .option('--trace-url <url>', 'where the trace of a job is, with {traceId} or {jobId} in it')
      .option('--proxy-user-header <name>', 'header in which a proxy that signs people in says who they are')
      .option('--proxy-groups-header <name>', 'header with their groups; one named as a role gives that role')
      .option(
        '--proxy-from <addresses>',
        'addresses or networks of that proxy, with commas between; it alone is believed',
      )
    addSettings(command, SETTINGS)
    command.addHelpText(
      'after',
      `
Examples:
  $ drover serve                                             on this machine only, pages without a sign-in
  $ DROVER_TOKEN=… drover serve --host 0.0.0.0 --port 8080   for other machines: a token is needed
  $ drover serve --host 0.0.0.0 --token-file /run/secrets/drover-token --base-path /admin/jobs

The API below /v1 always wants a token: that of the dashboard, or one that drover token create made.
A token is never an argument, which anyone on the machine could read.
SIGTERM or Ctrl-C: ends the requests that are being answered, then exits with 0. Another one after a second
exits at once.`,
    )
  },

  async run({ options, out }: VerbCall): Promise<number> {
    const settings = await readSettings(options)
    const rate = readWhole('--rate-limit', options.rateLimit)
    const proxyUser = readProxyUser(options)
    const logger = await createLogger(settings, out)
    const redis = redisOf(settings)
    const isReadOnly = options.readOnly === true
    const contracts = await loadContracts(settings.jobs, process.cwd())
    const { enqueue: middleware } = await loadMiddleware(settings.jobs, process.cwd())
    const jobs = contracts.map(({ name }) => name)
    const { prefix, host, port, basePath, token, timeoutMs: timeout, durability, allowVolatile } = settings
    const common = { redis, prefix, timeout, durability, allowVolatile, middleware }
    // Who may only look at the pages does not get all rights by another path.
    const adminToken = isReadOnly ? undefined : token
    const rateLimit =
      rate === undefined ? undefined : rate === 0 ? false : ({ requests: rate, per: RATE_WINDOW } as const)
    const api =
      options.api === false ? undefined : createHttpApi({ ...common, contracts, adminToken, rateLimit, logger })
    // Without contracts there is nothing that anybody could add on a page.
    const producer = contracts.length === 0 || isReadOnly ? undefined : createProducer(common)
    try {
      const dashboard = createDashboard({
        redis,
        prefix,
        timeout,
        host,
        port,
        basePath,
        token,
        readOnly: isReadOnly,
        redact: typeof options.redact === 'string' ? options.redact.split(',').map((path) => path.trim()) : undefined,
        trustProxy: readWhole('--trust-proxy', options.trustProxy),
        proxyUser,
        contracts,
        producer,
        traceUrl: typeof options.traceUrl === 'string' ? options.traceUrl : undefined,
        beside: api?.router,
        logger,
      })
      try {
        const { url } = await dashboard.listen()
        // Who reads that it is ready may end it at once.
        const ended = untilShutdownSignal(() => logger.warn('second signal, the dashboard ends now'))
        logger.info({ url, redis: describeRedis(redis), prefix, signIn: token !== undefined, jobs }, 'dashboard ready')
        void sayDurability(settings, logger)
        const signal = await ended
        logger.info({ signal }, 'dashboard closing')
        // Waits for results and event streams would hold the server's end back.
        await api?.close()
      } finally {
        await dashboard.close()
      }
    } finally {
      await api?.close()
      await producer?.close()
    }
    logger.info('dashboard closed')
    return EXIT_CODES.ok.code
  },
}

function readProxyUser(options: VerbCall['options']): ProxyUserOptions | undefined {
  const { proxyUserHeader: header, proxyGroupsHeader: groupsHeader, proxyFrom: from } = options
  if (header === undefined && groupsHeader === undefined && from === undefined) return undefined
  if (typeof header !== 'string' || typeof from !== 'string') {
    throw new UsageError(
      '--proxy-user-header and --proxy-from go together: a header is believed from named addresses only',
    )
  }
  const addresses = from.split(',').map((address) => address.trim())
  return { header, from: addresses, groupsHeader: typeof groupsHeader === 'string' ? groupsHeader : undefined }
}

// It serves any Redis, as it is where people look when something is wrong, and says what that one can lose.
async function sayDurability(settings: Settings, logger: Logger): Promise<void> {
  try {
    await withRedis(settings, async (client) => logDurability(logger, await readServerInfo(client), settings))
  } catch {
    // A Redis that is away or refuses us is logged where the dashboard's own connection is watched.
  }
}
