// `drover top`: queues, workers and running jobs on one screen, as they change.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { isQueueName, UsageError } from '../../job/index.js'
import { readQueueViews, readWorkers } from '../../ledger/index.js'
import { describeRedis, queueKeys, queuesKey, type RedisClient } from '../../redis/index.js'
import { EXIT_CODES } from '../exit-codes.js'
import { withRedis } from '../redis-connection.js'
import { addSettings, REDIS_OPTIONS, readSettings } from '../setting-options.js'
import { untilShutdownSignal } from '../shutdown-signals.js'
import { drawTop, type TopFacts } from '../top/draw-top.js'
import { openScreen } from '../top/screen.js'
import type { Verb, VerbCall } from '../verb.js'

const REFRESH_MS = 1_000

export const top: Verb = {
  define(command: Command): void {
    command.option('--once', 'print it once, all of it, and end')
    addSettings(command, REDIS_OPTIONS)
    command.addHelpText(
      'after',
      `
Shows all again each second until Ctrl-C. Workers tell of themselves each 5 s; rates are of the last 5 minutes.

Examples:
  $ drover top
  $ drover top --once
  $ drover top --json | jq '.queues[] | select(.waiting > 1000).queue'`,
    )
  },

  async run({ options, out }: VerbCall): Promise<number> {
    const isOnce = options.once === true || out.json
    if (!isOnce && !process.stdout.isTTY) {
      throw new UsageError('standard output is no terminal: give --once for one look, or --json')
    }
    const settings = await readSettings(options)
    return withRedis(settings, async (client, redis) => {
      const title = `${describeRedis(redis)} ${settings.prefix}`
      const read = () => readFacts(client, settings.prefix, title)
      if (!isOnce) await follow(read)
      else if (out.json) {
        const { queues, unreadable, workers } = await read()
        out.printJson({ queues, unreadable, workers })
      } else out.print(drawTop(await read()).join('\n'))
      return EXIT_CODES.ok.code
    })
  },
}

/** Draws until a signal comes; what cannot be read is told, and tried again. */
async function follow(read: () => Promise<TopFacts>): Promise<void> {
  // The first look fails as any command does, on the screen as it was.
  let facts = await read()
  const ending = new AbortController()
  void untilShutdownSignal().then(() => ending.abort())
  const screen = openScreen(process.stdout)
  const draw = () => screen.draw(drawTop(facts, screen.size))
  // Ctrl-Z: the shell finds its terminal as it was, and after fg we take it again.
  const suspend = () => {
    screen.leave()
    process.kill(process.pid, 'SIGSTOP')
  }
  const goOn = () => {
    screen.enter()
    draw()
  }
  process.on('SIGTSTP', suspend)
  process.on('SIGCONT', goOn)
  process.stdout.on('resize', draw)
  try {
    while (!ending.signal.aborted) {
      draw()
      await sleep(REFRESH_MS, undefined, { signal: ending.signal }).catch(() => undefined)
      if (ending.signal.aborted) break
      facts = await read().catch((error: unknown) => ({
        ...facts,
        nowMs: Date.now(),
        problem: `Redis does not answer: ${error instanceof Error ? error.message : 'no connection'}`,
      }))
    }
  } finally {
    process.off('SIGTSTP', suspend)
    process.off('SIGCONT', goOn)
    process.stdout.off('resize', draw)
    screen.close()
  }
}

async function readFacts(client: RedisClient, prefix: string, title: string): Promise<TopFacts> {
  const nowMs = Date.now()
  const names = (await client.smembers(queuesKey(prefix))).filter(isQueueName).sort()
  const [{ views, unreadable }, workers] = await Promise.all([
    readQueueViews(client, (name) => queueKeys(prefix, name), names, nowMs),
    readWorkers(client, prefix, { isReadOnly: true }),
  ])
  return { queues: views, unreadable, workers, nowMs, title }
}
