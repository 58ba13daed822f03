// The options of createDashboard: what each means, and the check of every one before anything is opened.
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'
import {
  type AnyJobContract,
  type Duration,
  InvalidOptionError,
  isJobContract,
  parseDuration,
  suggest,
  TokenRequiredError,
  UnknownOptionError,
} from '../job/index.js'
import { checkPrefix, DEFAULT_REDIS, parseRedisUrl, type RedisSettings, redisSettingsFromEnv } from '../redis/index.js'
import { type ProxyUserOptions, type ReadProxyUser, readProxyUser } from './access/proxy-user.js'
import type { Authorize } from './access/sign-in.js'
import { isLoopbackHost } from './addresses.js'
import { createRedact, type Redact, showAll } from './redact.js'

export interface DashboardOptions {
  /**
   * Redis to read from: a URL or settings. Default: `REDIS_URL` or
   * `REDIS_HOST` and its fellows of the environment, else `redis://127.0.0.1:6379/0`.
   */
  readonly redis?: string | RedisSettings | undefined
  /** First part of every key, as given to producer and worker. Default `drover`. */
  readonly prefix?: string | undefined
  /** How long a page waits for an answer of Redis before it says that Redis is down: 1 ms to 10 minutes. Default `5s`. */
  readonly timeout?: Duration | undefined
  /** Address that `listen` binds. Default `127.0.0.1`; one that other machines reach needs a `token`. */
  readonly host?: string | undefined
  /** Port that `listen` binds, 0 to 65535. Default 3768; 0 takes a free one, which `listen` then returns. */
  readonly port?: number | undefined
  /**
   * Path under which browsers see the dashboard, such as `/admin/jobs`. Default: the root for `listen`, and for
   * `app.use(path, dashboard.app)` that path.
   */
  readonly basePath?: string | undefined
  /**
   * What an admin signs in with, and programs send as `Authorization: Bearer`: 8 to 512 visible ASCII characters. Default
   * none: then only requests from this machine are answered. With it, tokens of `drover token create` sign in too, each with
   * the role that its scopes give.
   */
  readonly token?: string | undefined
  /**
   * How many reverse proxies stand in front and may say by `X-Forwarded-*` who asked, and over https: 0 to 10. Default 0,
   * which believes none of them; too high a number lets anyone evade the limit on failed sign-ins.
   */
  readonly trustProxy?: number | undefined
  /**
   * Inside an app: tells who asks, by the app's own means such as its session, as `{ name, role }`; nothing for whoever must
   * not see the dashboard. It is asked for every request. Not together with `token` or `proxyUser`.
   */
  readonly authorize?: Authorize | undefined
  /**
   * Behind a proxy that signs people in: the header that says who they are, and the addresses of the proxy. Requests from
   * elsewhere need the `token`, if there is one.
   */
  readonly proxyUser?: ProxyUserOptions | undefined
  /** The jobs' contracts: an input that somebody writes or edits is checked by its own. Default none. */
  readonly contracts?: readonly AnyJobContract[] | undefined
  /**
   * What adds the jobs of `contracts` that people fill in forms for: the app's own producer, with its middleware. Whoever
   * gives it closes it. Default none: then nobody adds jobs here.
   */
  readonly producer?: JobAdder | undefined
  /**
   * Where the trace of a job is, as `https://traces.example/trace/{traceId}`; `{jobId}` is the job's id. A job without a
   * trace id, which BullMQ's telemetry stores with it, has no link then. Default none.
   */
  readonly traceUrl?: string | undefined
  /**
   * Paths of values that no page shows, such as `input.password` or `result.*.token`: first `input` or `result`, then names;
   * `*` is any. Default none.
   */
  readonly redact?: readonly string[] | undefined
  /** Pino logger for requests and for what goes wrong. Default: nothing is logged. */
  readonly logger?: Logger | undefined
  /**
   * Answers before the pages, below the same path and without their sign-in: the router of the HTTP API. What it hands on is
   * for the pages. Only with `listen`.
   */
  readonly beside?: RequestHandler | undefined
  /** True: no page changes a job or a queue, bull-board's included. Default false. */
  readonly readOnly?: boolean | undefined
}

/** What a dashboard needs of a producer; `createProducer` makes one. */
export interface JobAdder {
  enqueue(contract: AnyJobContract, input: unknown, options?: AddOptions): Promise<AddedJob>
}

/** Options of an enqueue that people give on a page; the producer checks them. */
export interface AddOptions {
  readonly id?: string
  readonly key?: string
  readonly delay?: Duration
  readonly priority?: number
  readonly attempts?: number
  readonly lifo?: boolean
  readonly keepResult?: Duration
  readonly tags?: readonly string[]
  readonly unique?: false
  readonly debounce?: false
  readonly throttle?: false
  readonly cache?: false
}

export interface AddedJob {
  readonly id: string
  /** True: no job was made, as this one was there. */
  readonly deduplicated?: boolean
}

export interface CheckedOptions {
  readonly redis: RedisSettings
  readonly prefix: string
  readonly timeoutMs: number
  readonly host: string
  readonly port: number
  /** Empty or `/path`, without a slash at its end. */
  readonly basePath: string
  readonly token: string | undefined
  readonly trustProxy: number
  readonly authorize: Authorize | undefined
  readonly readProxyUser: ReadProxyUser | undefined
  readonly contracts: readonly AnyJobContract[]
  readonly producer: JobAdder | undefined
  readonly traceUrl: string | undefined
  readonly logger: Logger | undefined
  readonly beside: RequestHandler | undefined
  readonly readOnly: boolean
  readonly redact: Redact
}

const OPTION_NAMES = [
  'redis',
  'prefix',
  'timeout',
  'host',
  'port',
  'basePath',
  'token',
  'trustProxy',
  'authorize',
  'proxyUser',
  'contracts',
  'producer',
  'traceUrl',
  'beside',
  'logger',
  'readOnly',
  'redact',
] as const satisfies readonly (keyof DashboardOptions)[]

/** How long one read may take before Redis counts as down. */
export const DEFAULT_TIMEOUT_MS = 5_000
const MAX_TIMEOUT_MS = 600_000
const MAX_PORT = 65_535
const MAX_PROXIES = 10
const TOKEN = /^[\x21-\x7e]{8,512}$/
const HOST = /^[A-Za-z0-9._:-]{1,253}$/
const BASE_PATH = /^(\/[A-Za-z0-9._~-]+)*\/?$/

/**
 * The options with their defaults.
 * @throws UnknownOptionError, InvalidOptionError, InvalidPrefixError, RedisUrlError
 * @throws TokenRequiredError when other machines could reach the host and there is no token
 */
export function checkOptions(options: DashboardOptions): CheckedOptions {
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.some((known) => known === name)) {
      throw new UnknownOptionError(name, suggest(name, OPTION_NAMES), 'createDashboard')
    }
  }
  const {
    redis = redisSettingsFromEnv(process.env) ?? DEFAULT_REDIS,
    prefix = 'drover',
    timeout = DEFAULT_TIMEOUT_MS,
    host = '127.0.0.1',
    port = 3768,
    readOnly = false,
  } = options
  const checked = {
    redis: typeof redis === 'string' ? parseRedisUrl(redis) : checkSettings(redis),
    prefix: checkPrefix(prefix),
    timeoutMs: parseDuration(timeout, { option: 'timeout', minMs: 1, maxMs: MAX_TIMEOUT_MS }),
    host: checkHost(host),
    port: checkNumber('port', port, MAX_PORT),
    basePath: checkBasePath(options.basePath ?? ''),
    token: checkToken(options.token),
    trustProxy: checkNumber('trustProxy', options.trustProxy ?? 0, MAX_PROXIES),
    authorize: checkAuthorize(options),
    readProxyUser: options.proxyUser === undefined ? undefined : readProxyUser(options.proxyUser),
    contracts: checkContracts(options.contracts ?? []),
    producer: checkProducer(options.producer),
    traceUrl: checkTraceUrl(options.traceUrl),
    logger: checkLogger(options.logger),
    beside: checkBeside(options.beside),
    readOnly: checkFlag('readOnly', readOnly),
    redact: options.redact === undefined ? showAll : createRedact(options.redact),
  }
  const isClosed = [checked.token, checked.authorize, checked.readProxyUser].some((way) => way !== undefined)
  if (!isClosed && !isLoopbackHost(checked.host)) throw new TokenRequiredError(checked.host)
  return checked
}

function checkSettings(redis: unknown): RedisSettings {
  const kind = typeof redis === 'object' && redis !== null && 'kind' in redis ? redis.kind : undefined
  if (kind === 'single' || kind === 'sentinel' || kind === 'cluster') return redis as RedisSettings
  throw new InvalidOptionError('redis', 'a Redis URL or Redis settings', redis)
}

function checkHost(host: unknown): string {
  if (typeof host === 'string' && HOST.test(host)) return host
  throw new InvalidOptionError('host', 'an address or host name, such as 127.0.0.1 or ::1', host)
}

function checkNumber(option: string, value: unknown, maximum: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maximum) return value
  throw new InvalidOptionError(option, `a whole number from 0 to ${maximum}`, value)
}

function checkBasePath(path: unknown): string {
  if (typeof path === 'string' && BASE_PATH.test(path)) return path.replace(/\/$/, '')
  throw new InvalidOptionError('basePath', 'a path such as /admin/jobs', path)
}

// An empty token is refused rather than taken for none: it is most often a variable that should have been set.
function checkToken(token: unknown): string | undefined {
  if (token === undefined || (typeof token === 'string' && TOKEN.test(token))) return token
  const got = typeof token === 'string' ? token.length : token
  throw new InvalidOptionError('token', '8 to 512 visible ASCII characters (shown is only their number)', got)
}

function checkAuthorize({ authorize, token, proxyUser }: DashboardOptions): Authorize | undefined {
  if (authorize === undefined) return undefined
  if (typeof authorize !== 'function') throw new InvalidOptionError('authorize', 'a function', authorize)
  if (token === undefined && proxyUser === undefined) return authorize
  throw new InvalidOptionError('authorize', 'no token and no proxyUser beside it: it decides alone', 'both')
}

function checkContracts(contracts: unknown): readonly AnyJobContract[] {
  if (Array.isArray(contracts) && contracts.every(isJobContract)) return contracts
  throw new InvalidOptionError('contracts', 'an array of what defineJob returned', contracts)
}

function checkProducer(producer: unknown): JobAdder | undefined {
  if (producer === undefined) return undefined
  const enqueue: unknown =
    typeof producer === 'object' && producer !== null && 'enqueue' in producer && producer.enqueue
  if (typeof enqueue === 'function') return producer as JobAdder
  throw new InvalidOptionError('producer', 'what createProducer returned', producer)
}

function checkTraceUrl(url: unknown): string | undefined {
  if (url === undefined || (typeof url === 'string' && /^https?:\/\/[^\s"'<>]+$/.test(url))) return url
  throw new InvalidOptionError('traceUrl', 'an http(s) URL with {traceId} or {jobId} in it', url)
}

function checkLogger(logger: unknown): Logger | undefined {
  if (logger === undefined) return undefined
  if (typeof logger === 'object' && logger !== null && 'child' in logger) return logger as Logger
  throw new InvalidOptionError('logger', 'a pino logger', logger)
}

function checkBeside(beside: unknown): RequestHandler | undefined {
  if (beside === undefined || typeof beside === 'function') return beside as RequestHandler | undefined
  throw new InvalidOptionError('beside', 'a router of express', beside)
}

function checkFlag(option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new InvalidOptionError(option, 'true or false', value)
}
