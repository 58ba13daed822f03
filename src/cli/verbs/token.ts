// `drover token`: makes, lists and revokes the tokens that let programs into the HTTP API and people into the
// dashboard. The tokens themselves are src/ledger/access.
import type { Command } from 'commander'
import { InvalidOptionError, parseDuration, suggest, TokenNotFoundError, UsageError } from '../../job/index.js'
import {
  createToken,
  isRole,
  listTokens,
  MAX_COPY_AGE_MS,
  ROLES,
  revokeToken,
  SCOPES,
  SCOPES_OF_ROLE,
  type Scope,
  type TokenRecord,
} from '../../ledger/index.js'
import type { RedisClient } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { formatTable, type Output } from '../output.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

const ACTIONS = ['create', 'list', 'revoke'] as const
type Action = (typeof ACTIONS)[number]
type Options = VerbCall['options']

/** Options that only `create` takes. */
const CREATE_OPTIONS = ['scope', 'role', 'limitJobs', 'limitQueues', 'expires'] as const
const DEFAULT_EXPIRY = '90d'
const TEN_YEARS_MS = 3_650 * 86_400_000

export const token: Verb = {
  define(command: Command): void {
    command
      .argument('<action>', 'create, list or revoke')
      .argument('[name]', 'create: who uses the token; revoke: the id of the token')
      .option('--scope <scopes>', `create: what it may do, with commas between: ${SCOPES.join(', ')}`)
      .option('--role <role>', `create: the scopes of somebody who signs in to the dashboard: ${ROLES.join(', ')}`)
      .option('--limit-jobs <names>', 'create: the only jobs that it is for, with commas between (default: all)')
      .option('--limit-queues <names>', 'create: the only queues that it is for (default: all)')
      .option('--expires <duration>', `create: how long it holds, or never (default: ${DEFAULT_EXPIRY})`)
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
The token is shown once. Redis keeps only its SHA-256.
admin includes the other scopes. To rotate a token, make the next one first: both hold until one is revoked.

Examples:
  $ drover token create web-shop --scope enqueue,read
  $ drover token create ann --role operator               signs in to the dashboard
  $ drover token create mailer --scope enqueue --limit-jobs mail.send --expires 365d
  $ drover token list
  $ drover token revoke 0a1b2c3d4e5f`,
    )
  },

  async run({ args, options, out }: VerbCall): Promise<number> {
    const [action = '', name] = args
    if (!isAction(action)) {
      const nearest = suggest(action, ACTIONS)
      const advice = nearest === undefined ? `expected one of ${ACTIONS.join(', ')}` : `did you mean ${nearest}?`
      throw new UsageError(`unknown action ${JSON.stringify(action.slice(0, 60))}: ${advice}`)
    }
    if (action !== 'create') refuseOptions(options)
    if ((name === undefined) !== (action === 'list')) throw new UsageError(EXPECTED_NAME[action])
    const given = action === 'create' ? readNew(name ?? '', options) : undefined
    const settings = await readSettings(options)
    return withRedis(settings, async (client) => {
      const { prefix } = settings
      if (given !== undefined) show(out, await createToken(client, prefix, given))
      else if (action === 'list') showList(out, await listTokens(client, prefix))
      else await revoke(client, prefix, name ?? '', out)
      return EXIT_CODES.ok.code
    })
  },
}

const EXPECTED_NAME: Readonly<Record<Action, string>> = {
  create: 'expected a name for the token, of who uses it: drover token create web-shop --scope enqueue',
  list: 'token list takes no name',
  revoke: 'expected the id of the token: drover token revoke 0a1b2c3d4e5f; drover token list shows the ids',
}

async function revoke(client: RedisClient, prefix: string, id: string, out: Output): Promise<void> {
  if (!(await revokeToken(client, prefix, id))) throw new TokenNotFoundError(id)
  if (out.json) out.printJson({ revoked: id })
  else out.print(`revoked ${id}: it is refused within ${MAX_COPY_AGE_MS / 1_000} s`)
}

function show(out: Output, { token: text, record }: { readonly token: string; readonly record: TokenRecord }): void {
  if (out.json) {
    out.printJson({ token: text, ...record })
    return
  }
  out.print(text)
  out.note(`token ${record.id} for ${record.name}: ${describe(record)}. It is shown this once.`)
}

function showList(out: Output, tokens: readonly TokenRecord[]): void {
  if (out.json) out.printJson(tokens)
  else if (tokens.length === 0) out.note('there are no tokens: drover token create makes one')
  else {
    const lines = tokens.map((record) => {
      return [record.id, record.name, new Date(record.createdAt).toISOString(), describe(record)]
    })
    out.print(formatTable([['ID', 'NAME', 'CREATED', 'RIGHTS'], ...lines]))
  }
}

function describe({ scopes, jobs, queues, expiresAt }: TokenRecord): string {
  const limits = [jobs && `jobs ${jobs.join(', ')}`, queues && `queues ${queues.join(', ')}`].filter(Boolean)
  const end = expiresAt === undefined ? 'never expires' : `expires ${new Date(expiresAt).toISOString()}`
  return [scopes.join(', '), ...(limits.length === 0 ? [] : [`only ${limits.join(' and ')}`]), end].join('; ')
}

function readNew(name: string, options: Options): Parameters<typeof createToken>[2] {
  const scopes = readScopes(options)
  return {
    name,
    scopes: scopes as Scope[],
    jobs: readList(options.limitJobs),
    queues: readList(options.limitQueues),
    expiresAt: readExpiry(options.expires ?? DEFAULT_EXPIRY),
  }
}

function readScopes({ scope, role }: Options): readonly string[] {
  if ((scope === undefined) === (role === undefined)) {
    throw new UsageError(
      `expected --scope with one or more of ${SCOPES.join(', ')}, or --role with one of ${ROLES.join(', ')}`,
    )
  }
  if (role === undefined) return readList(scope) ?? []
  if (!isRole(role)) throw new InvalidOptionError('--role', `one of ${ROLES.join(', ')}`, role)
  return SCOPES_OF_ROLE[role]
}

function readExpiry(expires: unknown): number | undefined {
  if (expires === 'never') return undefined
  return Date.now() + parseDuration(expires, { option: '--expires', minMs: 1_000, maxMs: TEN_YEARS_MS })
}

/** The words between the commas. An empty list is refused: it is most often a variable that should have been set. */
function readList(value: unknown): string[] | undefined {
  if (value === undefined) return undefined
  const words = String(value)
    .split(',')
    .map((word) => word.trim())
  if (words.includes('')) throw new InvalidOptionError('list', 'names with commas between', value)
  return words
}

function refuseOptions(options: Options): void {
  for (const option of CREATE_OPTIONS) {
    if (options[option] === undefined) continue
    const flag = option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new UsageError(`--${flag} is for token create only`)
  }
}

function isAction(text: string): text is Action {
  return ACTIONS.some((action) => action === text)
}
