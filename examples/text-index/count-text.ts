// What is counted in one file's bytes: lines as `wc -l`, words as `wc -w` counts in a UTF-8 locale, and how often each
// plain word occurs.

export interface TextCounts {
  /** Newline characters; a last line without one is not counted. */
  readonly lines: number
  /** Runs of characters between white space. */
  readonly words: number
  /** The words that are plain ones, in lower case, and how often each occurs. */
  readonly frequencies: ReadonlyMap<string, number>
}

const NEWLINE = 0x0a
// White space as wc has it: JavaScript's, without the byte order mark and with the word joiner.
const WORD = /(?:[^\s\u2060]|\ufeff)+/g
// Letters of any script, once the punctuation around them is gone: `(the` and `the,` are both `the`, while `don't`,
// `utf8` and `a.b` are no plain words. The limit keeps what one job stages small.
const PLAIN_WORD = /^[^\p{L}\p{M}\p{N}]*([\p{L}\p{M}]{1,64})[^\p{L}\p{M}\p{N}]*$/u

export function countText(bytes: Uint8Array): TextCounts {
  const frequencies = new Map<string, number>()
  let words = 0
  // A byte order mark is kept, as wc keeps it; what is not UTF-8 becomes U+FFFD, which is no white space.
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  for (const [word] of text.matchAll(WORD)) {
    words += 1
    const plain = PLAIN_WORD.exec(word)?.[1]?.toLowerCase()
    if (plain !== undefined) frequencies.set(plain, (frequencies.get(plain) ?? 0) + 1)
  }
  return { lines: countNewlines(bytes), words, frequencies }
}

function countNewlines(bytes: Uint8Array): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count += 1
  return count
}
