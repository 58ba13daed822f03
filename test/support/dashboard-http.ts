// Requests as a test wants them: any Host header, any path exactly as written, nothing followed, nothing added.
import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The text read as JSON, taken to be of that shape. */
  json<Shape>(): Shape
}

/** What a browser sends when a person opens a page. */
export const BROWSER = { accept: 'text/html,application/xhtml+xml', 'sec-fetch-site': 'none' }

/** `path` is sent as it is, below the host and port of `url`. */
export async function ask(
  url: string,
  path: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url)
  const sent = request({ hostname: hostname.replace(/^\[|\]$/g, ''), port, path, method, headers, agent: false })
  const response = once(sent, 'response')
  sent.end(body)
  const [answer] = (await response) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  return { status: answer.statusCode ?? 0, headers: answer.headers, text, json: () => JSON.parse(text) }
}

/** The `name=value` of the cookie that an answer sets. */
export function cookieOf(answer: Answer): string {
  return (answer.headers['set-cookie']?.[0] ?? '').split(';', 1)[0] ?? ''
}

/** Signs in as the form does, and gives the cookie. */
export async function signIn(url: string, token: string): Promise<string> {
  const headers = { ...form(url), accept: 'text/html' }
  const answer = await ask(url, '/sign-in', { method: 'POST', headers, body: `token=${encodeURIComponent(token)}` })
  if (answer.status !== 303) throw new Error(`sign-in answered ${answer.status}: ${answer.text}`)
  return cookieOf(answer)
}

/** The headers of a form that a page of this dashboard sends. */
export function form(url: string): Record<string, string> {
  return {
    origin: new URL(url).origin,
    'sec-fetch-site': 'same-origin',
    'content-type': 'application/x-www-form-urlencoded',
  }
}
