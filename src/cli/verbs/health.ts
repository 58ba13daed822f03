// `drover health`: asks a dashboard for /livez and tells by the exit code, for the health checks of containers.
import type { Command } from 'commander'
import type { Settings } from '../../config/index.js'
import { UsageError } from '../../job/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { addSettings, readSettings } from '../setting-options.js'
import type { Verb, VerbCall } from '../verb.js'

/** Addresses that mean "every interface" to a server, and so no address to a client. */
const LOCAL_ADDRESS: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]', '::1': '[::1]' }

interface Answer {
  readonly ok: boolean
  readonly status: number | null
  readonly reason: string
}

export const health: Verb = {
  define(command: Command): void {
    command.option('--url <url>', 'address to ask, whole (default: /livez of the dashboard on --host and --port)')
    addSettings(command, ['host', 'port', 'basePath', 'timeout'])
    command.addHelpText(
      'after',
      `
Examples:
  $ drover health                                    exit code 0: alive; 1: not
  $ drover health --port 8080 --timeout 2s
  $ drover health --url http://127.0.0.1:3768/readyz  whether Redis answers it, too
  HEALTHCHECK CMD ["drover", "health"]               in a Dockerfile`,
    )
  },

  async run({ options, out }: VerbCall): Promise<number> {
    const settings = await readSettings(options)
    const url = typeof options.url === 'string' ? checkUrl(options.url) : livezUrl(settings)
    const answer = await ask(url, settings.timeoutMs)
    if (out.json) out.printJson({ ok: answer.ok, url, status: answer.status, reason: answer.reason })
    else if (answer.ok) out.print(`ok: ${url} answered ${answer.status}`)
    else out.note(`drover: not healthy: ${url} ${answer.reason}`)
    return answer.ok ? EXIT_CODES.ok.code : EXIT_CODES.failed.code
  },
}

function livezUrl({ host, port, basePath }: Settings): string {
  const address = LOCAL_ADDRESS[host] ?? (host.includes(':') ? `[${host}]` : host)
  return `http://${address}:${port}${basePath === '/' ? '' : basePath}/livez`
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError('--url expects a whole address, such as http://127.0.0.1:3768/livez')
  }
  if (url.username !== '' || url.password !== '') {
    throw new UsageError('a password in --url would show in `ps`: /livez and /readyz need none')
  }
  return url.href
}

async function ask(url: string, timeoutMs: number): Promise<Answer> {
  try {
    const { ok, status } = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) })
    return { ok, status, reason: `answered ${status}` }
  } catch (error) {
    // fetch wraps what went wrong with the connection as its cause.
    const { cause = error } = error as { cause?: unknown }
    const reason =
      cause instanceof Error && cause.name !== 'TimeoutError' ? codeOf(cause) : `is silent for ${timeoutMs} ms`
    return { ok: false, status: null, reason }
  }
}

function codeOf(error: NodeJS.ErrnoException): string {
  return error.code === 'ECONNREFUSED' ? 'refuses connections' : `cannot be reached (${error.code ?? error.message})`
}
