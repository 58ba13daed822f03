// Files for text-index.test.ts, made from a seed, and what other programs say of files: find, sha256sum, wc, and a plain
// recount of words. Nothing here uses code of ours.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { createRandom } from './random.js'

export interface FileFacts {
  readonly sha256: string
  readonly bytes: number
  readonly lines: number
  readonly words: number
}

const MAX_OUTPUT = 64 * 1024 * 1024

/** Writes a directory of ordinary and odd files; gives how many of them are text files. */
export function makeCorpus(root: string, seed: number): number {
  const { below, chance, pick } = createRandom(seed)
  const spaces = [' ', ' ', ' ', '  ', '\t', '\v', '\f', '\u00a0', '\u2003', '\u3000']
  const breaks = ['\n', '\r\n', '\r', '\n\n']
  const text = (words: number) => {
    let made = ''
    for (let at = 0; at < words; at += 1) made += pick(WORDS) + (chance(0.12) ? pick(breaks) : pick(spaces))
    return made
  }
  const files: Record<string, string | Buffer> = {
    'empty.txt': '',
    'one line without an end.txt': 'the end',
    'only white space.md': ' \t\r\n\n\u3000',
    'windows.TXT': 'The cat\r\nsat on\r\nthe mat\r\n',
    'mark.txt': '\ufeffthe mark stays\n',
    'long/line.json': `"${'x'.repeat(400_000)}" ${'the '.repeat(50_000)}`,
    'long/letters.txt': `${'a'.repeat(64)} ${'b'.repeat(65)} ${'c'.repeat(100_000)}\n`,
    'many/words.txt': Array.from({ length: 2_500 }, (_, at) => letters(at)).join('\n'),
    '.hidden/.profile': 'the hidden one\n',
    'Öffnung „ü“.md': 'größe Größe GRÖSSE naïve — ’tis\n',
    'nul/late.txt': `${'the '.repeat(3_000)}mid\0dle end\n`,
    'nul/binary.bin': Buffer.from('a\0b'),
    'too-large.txt': Buffer.alloc(10_000_001, 'the '),
    'largest.txt': Buffer.alloc(10_000_000, 'mat '),
    '.git/config': 'the the the\n',
  }
  for (let at = 0; at < 60; at += 1) {
    files[`random/${at % 7}/file-${at}.${pick(['ts', 'js', 'md', 'd.ts', ''])}`] = text(below(400))
  }
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  symlinkSync('windows.TXT', join(root, 'link.txt'))
  symlinkSync('..', join(root, 'random', 'up'))
  // Not the binary one, the one that is too large, and Git's.
  return Object.keys(files).length - 3
}

const WORDS = [
  ...['the', 'The', 'THE', 'a', 'of', 'and', 'to', '(the', 'the,', '"the"', 'the.', "don't", 'utf8', 'a.b', '1st'],
  ...[
    'straße',
    'ÉTÉ',
    'été',
    'Привет',
    'мир,',
    '日本語',
    'नमस्ते',
    'e\u0301te\u0301',
    '—',
    '→',
    '🙂',
    'x🙂',
    '42',
    '_',
    '...',
  ],
]

/** A different word for each number. */
function letters(number: number): string {
  return [...number.toString(26)].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 26))).join('')
}

/** Paths, relative to `root`, of the files that text-index is to count: those `find` finds, less the binary ones. */
export function findTextFiles(root: string): string[] {
  const pruned = ['(', '-name', '.git', '-o', '-name', '.drover', ')', '-prune']
  const found = run('find', [root, ...pruned, '-o', '-type', 'f', '-size', '-10000001c', '-print0'], '').split('\0')
  const isText = (path: string) => !readFileSync(path).subarray(0, 8_192).includes(0)
  return found.filter((path) => path !== '' && isText(path)).map((path) => relative(root, path))
}

/** What sha256sum and wc say of each file. */
export function factsOf(root: string, paths: readonly string[]): Map<string, FileFacts> {
  const input = paths.map((path) => `${join(root, path)}\0`).join('')
  // One line a file, in the order of the names given, and a last one with the total.
  const counts = run('wc', ['-lwc', '--files0-from=-'], input).trim().split('\n')
  const hashes = run('xargs', ['-0', 'sha256sum', '--zero', '--'], input).split('\0')
  return new Map(
    paths.map((path, index) => {
      const [lines, words, bytes] = (counts[index] ?? '').trim().split(/ +/).map(Number)
      const sha256 = (hashes[index] ?? '').slice(0, 64)
      return [path, { sha256, bytes: bytes ?? -1, lines: lines ?? -1, words: words ?? -1 }]
    }),
  )
}

/** How often each plain word occurs in the files, counted letter by letter. */
export function recountWords(root: string, paths: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const path of paths) {
    const text = readFileSync(join(root, path), 'utf8')
    for (const run of text.split(/[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2060\u3000]/)) {
      const word = plainWord(Array.from(run))
      if (word !== undefined) counts.set(word, (counts.get(word) ?? 0) + 1)
    }
  }
  return counts
}

function plainWord(characters: readonly string[]): string | undefined {
  const isInside = (character: string) => /[\p{L}\p{M}\p{N}]/u.test(character)
  const first = characters.findIndex(isInside)
  const last = characters.findLastIndex(isInside)
  if (first === -1 || last - first >= 64) return undefined
  const inside = characters.slice(first, last + 1)
  return inside.every((character) => /[\p{L}\p{M}]/u.test(character)) ? inside.join('').toLowerCase() : undefined
}

/** The part of a name behind its last dot, with the dot; `(none)` without one, and for a dot in the first place. */
export function extensionOf(path: string): string {
  const name = basename(path)
  const dot = name.lastIndexOf('.')
  return dot > 0 ? name.slice(dot).toLowerCase() : '(none)'
}

function run(program: string, args: readonly string[], input: string): string {
  const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' }
  return execFileSync(program, args, { input, env, encoding: 'utf8', maxBuffer: MAX_OUTPUT })
}
