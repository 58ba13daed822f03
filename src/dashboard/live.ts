// What keeps open tabs current: one timer for all of them. All who look at the same address with the same role share one
// drawing of it, which is sent to them as server-sent events when it is another than before; fifty tabs cost what one costs.
import type { Request, Response } from 'express'
import { logThinned } from '../job/index.js'
import { answerProblem, type Problem } from './problems.js'
import type { Shared } from './shared.js'
import type { Shown } from './view.js'
import { visitOf } from './visit.js'

/** How often a page that somebody looks at is drawn again. */
const EVERY_MS = 2_000
/** Rounds between two looks at whether each listener is still let in, which also keep proxies from closing a still stream. */
const CHECK_ROUNDS = 5
const MAX_LISTENERS = 1_000
const MAX_CHANNELS = 200
/** A tab that takes nothing any more: its stream is ended rather than kept in memory. */
const MAX_BEHIND_BYTES = 4 * 1024 * 1024

interface Listener {
  readonly request: Request
  readonly response: Response
}

interface Channel {
  readonly draw: () => Promise<Shown>
  readonly listeners: Set<Listener>
  /** The drawing sent last, without its relative times. */
  sent: string
  /** The last event, for whoever joins. */
  event: Buffer | undefined
  isDrawing: boolean
}

export function wantsEvents(request: Request): boolean {
  return /\btext\/event-stream\b/.test(request.headers.accept ?? '')
}

export class Live {
  readonly #channels = new Map<string, Channel>()
  readonly #signIn: Pick<Shared['signIn'], 'entryOf'>
  #listenerCount = 0
  #timer: NodeJS.Timeout | undefined
  #round = 0
  #isClosed = false

  constructor(signIn: Pick<Shared['signIn'], 'entryOf'>) {
    this.#signIn = signIn
  }

  /** Pages that are being kept current. */
  get channelCount(): number {
    return this.#channels.size
  }

  /** Keeps the answer open and sends it what `draw` gives, now and whenever it changes. */
  join(request: Request, response: Response, draw: () => Promise<Shown>): void {
    const { base, person, isReadOnly } = visitOf(response)
    const name = `${person?.role} ${isReadOnly} ${base} ${request.originalUrl}`
    const known = this.#channels.get(name)
    if (this.#isClosed || this.#listenerCount >= MAX_LISTENERS || (!known && this.#channels.size >= MAX_CHANNELS)) {
      answerProblem(request, response, TOO_MANY_TABS)
    } else {
      const channel: Channel = known ?? { draw, listeners: new Set(), sent: '', event: undefined, isDrawing: false }
      this.#channels.set(name, channel)
      this.#add(name, channel, { request, response })
    }
  }

  #add(name: string, channel: Channel, listener: Listener): void {
    const { response } = listener
    channel.listeners.add(listener)
    this.#listenerCount++
    response.on('close', () => {
      this.#listenerCount--
      channel.listeners.delete(listener)
      if (channel.listeners.size === 0) this.#channels.delete(name)
      if (this.#channels.size === 0) this.#rest()
    })
    response.setHeader('Content-Type', 'text/event-stream')
    // nginx holds answers back until they are large.
    response.setHeader('X-Accel-Buffering', 'no')
    response.write(`retry: ${EVERY_MS}\n\n`)
    if (channel.event !== undefined) response.write(channel.event)
    else void this.#redraw(channel)
    this.#timer ??= setInterval(() => this.#goRound(), EVERY_MS)
  }

  /** Ends every stream. */
  close(): void {
    this.#isClosed = true
    this.#rest()
    for (const { listeners } of this.#channels.values()) for (const { response } of listeners) response.end()
  }

  #rest(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #goRound(): void {
    this.#round++
    for (const channel of this.#channels.values()) void this.#redraw(channel)
    if (this.#round % CHECK_ROUNDS !== 0) return
    for (const { listeners } of this.#channels.values()) for (const listener of listeners) void this.#check(listener)
  }

  async #redraw(channel: Channel): Promise<void> {
    if (channel.isDrawing) return
    channel.isDrawing = true
    try {
      const { main, status = 200 } = await channel.draw()
      const text = String(main)
      const compared = `${status} ${text.replace(RELATIVE_TIME, '')}`
      if (compared === channel.sent) return
      channel.sent = compared
      // Made into bytes once, not for each of the tabs.
      channel.event = Buffer.from(`data: ${JSON.stringify({ status, html: text })}\n\n`)
      for (const { response } of channel.listeners) send(response, channel.event)
    } catch (error) {
      // Our own fault: the tabs ask for the page again, which then logs it and says so.
      for (const { request, response } of channel.listeners) {
        if (request.log) logThinned(request.log, 'error', { err: error }, 'an open page cannot be drawn')
        response.end()
      }
    } finally {
      channel.isDrawing = false
    }
  }

  // Whoever signed out, or whose token was revoked, sees nothing more; the tab then asks again and is told.
  async #check({ request, response }: Listener): Promise<void> {
    try {
      const entry = await this.#signIn.entryOf(request)
      const { person } = visitOf(response)
      const isSame = typeof entry === 'object' && 'role' in entry && entry.role === person?.role
      if (isSame) send(response, ':\n\n')
      else response.end()
    } catch {
      // Who it is cannot be told now: asked again by the tab, as a request of its own, which says why.
      response.end()
    }
  }
}

const TOO_MANY_TABS: Problem = {
  status: 503,
  code: 'TOO_MANY_TABS',
  message: 'Too many tabs are open to keep this one current. Reload it by hand.',
}
const RELATIVE_TIME = /(?<= data-ago>)[^<]*/g

function send(response: Response, text: string | Buffer): void {
  if (response.writableLength > MAX_BEHIND_BYTES) response.destroy()
  else response.write(text)
}
