// Takes out of an error's message what differs from one failure to the next, so that failures of one cause read the same:
// ids, numbers, times, addresses, paths, quoted text, secrets. What is left names the cause, and no customer.

/** Of a longer message only the beginning counts; this also bounds the work that a hostile message can cause. */
const MAX_READ = 1_024
const MAX_MASKED = 240

const SECRET_NAMES = 'pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|authorization|credentials?'

/** What is masked; the first that fits at a place wins. */
const MASKS: readonly (readonly [name: string, pattern: string])[] = [
  ['url', String.raw`\b[a-z][a-z0-9+.-]{1,15}:\/\/[^\s"'<>)\]}]+`],
  ['email', String.raw`[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}`],
  // A quotation that is not closed, as the message was cut, ends with it.
  [
    'text',
    '`[^`]*(?:`|$)|' +
      String.raw`"(?:[^"\\]|\\.)*(?:"|\\?$)|(?<![\p{L}\p{N}])'[^']*'(?![\p{L}\p{N}])|[“«„][^”»“]*(?:[”»“]|$)`,
  ],
  ['secret', String.raw`(?<=\b(?:${SECRET_NAMES}) ?[=:] ?)(?:bearer |basic )?[^\s,;)&<]+|(?<=\bbearer )[^\s,;)<]+`],
  ['uuid', String.raw`\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`],
  [
    'time',
    String.raw`\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?|\b\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?`,
  ],
  [
    'ip',
    String.raw`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b|(?<![\w:])(?=[0-9a-f.]{0,39}:)(?=\S{0,40}::|(?:[0-9a-f]{1,4}:){7})[0-9a-f:.]{2,45}(?![\w:])`,
  ],
  ['path', String.raw`(?<![\w/.<])(?:[a-z]:\\|~?\/|\.{1,2}\/)[\w.@%+~-]+(?:[\\/][\w.@%+~-]*)*`],
  ['hex', String.raw`\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b`],
  // What names one thing among many: a word of several parts, or a long one, with a digit in it.
  ['id', String.raw`\b(?=[\w-]*\d)(?=[a-z]|\d[\d,]*[a-z_-])(?:\w+(?:[-_]\w*)+|\w{12,})`],
  ['number', String.raw`(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+\b)?|\d+`],
]

const PATTERN = new RegExp(MASKS.map(([name, pattern]) => `(?<${name}>${pattern})`).join('|'), 'giu')
/** Sequences that colour a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const ANSI = /\u001b\[[\d;?]{0,32}[a-z]/gi
/** Control characters, and marks that turn the direction of text: they would hide what follows, in a log and on a page. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu
const HALF_CHARACTER = /[\ud800-\udbff]$/

/** The message with what differs replaced, as in `order <number> of <email> not found`: one line, at most 240 characters. */
export function maskMessage(message: string): string {
  const masked = oneLine(message, MAX_READ).replace(PATTERN, (...match) => {
    const groups = match.at(-1) as Record<string, string | undefined>
    return `<${Object.keys(groups).find((name) => groups[name] !== undefined)}>`
  })
  return masked.length > MAX_MASKED ? `${masked.slice(0, MAX_MASKED - 1).replace(HALF_CHARACTER, '')}…` : masked
}

/** The beginning of a text as one line that hides nothing: spaces for line ends and controls. */
export function oneLine(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replace(HALF_CHARACTER, '').replace(ANSI, '').replace(UNSEEN, ' ').trim()
}
