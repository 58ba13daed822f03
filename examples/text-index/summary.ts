// What a run says when it is done: its numbers, what it left out, and how to look them up by hand.
import { MAX_FILE_BYTES, QUEUE, type textIndexKeys } from './jobs.js'
import { formatCount } from './progress.js'
import type { RunOutcome } from './run.js'

const NAMES_SHOWN = 3

export function summaryLines({ numbers, leftOut, moreWords }: RunOutcome): readonly string[] {
  const { jobs, completed, failed, counters, topWords, seconds } = numbers
  const perSecond = seconds > 0 ? Math.round(jobs / seconds) : 0
  const lines = [
    '',
    `${formatCount(completed)} of ${formatCount(jobs)} files indexed in ${seconds.toFixed(1)} s, ${formatCount(perSecond)} jobs/s; ${formatCount(failed)} failed`,
    ...Object.entries(counters).map(([name, value]) => `  ${name.padEnd(10)}${formatCount(value).padStart(15)}`),
    `  top words  ${topWords.map(([word, count]) => `${word} ${formatCount(count)}`).join(', ') || 'none'}`,
  ]
  if (leftOut.binary > 0) lines.push(`  left out   ${formatCount(leftOut.binary)} binary files`)
  if (leftOut.large.length > 0) lines.push(`  left out   over ${MAX_FILE_BYTES / 1e6} MB: ${nameSome(leftOut.large)}`)
  if (leftOut.unreadable.length > 0) {
    lines.push(`  left out   directories that cannot be read: ${nameSome(leftOut.unreadable)}`)
  }
  if (moreWords.jobs > 0) lines.push(`  ${formatCount(moreWords.jobs)} further jobs counted words of large files`)
  if (moreWords.failed > 0) lines.push(`  ${moreWords.failed} of them failed, so the word counts are too low`)
  return lines
}

/** Commands that show the same numbers, for whoever does not take our word for it. */
export function checkLines(
  cli: string,
  keys: ReturnType<typeof textIndexKeys>,
  firstId: string | undefined,
): readonly string[] {
  const commands = [
    `GET '${keys.counter('words')}'`,
    `HGETALL '${keys.totals}'`,
    `ZREVRANGE '${keys.topWords}' 0 9 WITHSCORES`,
    `HGETALL '${keys.bytesByExtension}'`,
    `SMEMBERS '${keys.extensions}'`,
    `LRANGE '${keys.latestFiles}' 0 -1`,
  ]
  if (firstId !== undefined) commands.push(`GET '${keys.result(firstId)}'`)
  return ['', `All of it is in Redis, queue ${QUEUE}:`, ...commands.map((command) => `  ${cli} ${command}`)]
}

function nameSome(paths: readonly string[]): string {
  const shown = paths.slice(0, NAMES_SHOWN).join(', ')
  return paths.length > NAMES_SHOWN ? `${shown} and ${formatCount(paths.length - NAMES_SHOWN)} more` : shown
}
