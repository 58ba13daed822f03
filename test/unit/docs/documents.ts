// The documents as text, and how tables, samples and names are read out of them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Paths from the root of the checkout. */
export const DOCUMENTS: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  ...readdirSync(join(ROOT, 'examples')).map((name) => `examples/${name}/README.md`),
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
]

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** What stands between `<!-- name -->` and `<!-- /name -->`, every time it does. */
export function sections(document: string, name: string): string[] {
  const pattern = new RegExp(`<!-- ${name} -->\\n(.*?)<!-- /${name} -->`, 'gs')
  const found = [...read(document).matchAll(pattern)].map((match) => match[1] ?? '')
  if (found.length === 0) throw new Error(`${document} has no section ${name}`)
  return found
}

/** The rows of the tables in these sections, without their heads; each cell as it is written. */
export function rows(document: string, name: string): string[][] {
  return sections(document, name).flatMap((text) => {
    const lines = text.split('\n').filter((line) => line.startsWith('|'))
    return lines.slice(2).map((line) => {
      const cells = line.split(/(?<!\\)\|/).slice(1, -1)
      return cells.map((cell) => cell.trim().replaceAll('\\|', '|'))
    })
  })
}

/** The cell without the backticks around what is code in it. */
export const plain = (cell: string | undefined): string => (cell ?? '').replaceAll('`', '')

/** Everything in backticks in a piece of text. */
export function codeIn(text: string | undefined): string[] {
  return [...(text ?? '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')
}

export interface Block {
  readonly language: string
  readonly text: string
}

/** The fenced blocks of a document. */
export function blocks(document: string): Block[] {
  return [...read(document).matchAll(/^```(\w+)\n(.*?)^```$/gms)].map((match) => ({
    language: match[1] ?? '',
    text: match[2] ?? '',
  }))
}

/** The text of a document outside of its fenced blocks. */
export function prose(document: string): string {
  return read(document).replace(/^```.*?^```$/gms, '')
}

/** Inline code and lines of shell blocks: what a reader may type. */
export function commands(document: string): string[] {
  const lines = blocks(document)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.split('\n'))
  return [...codeIn(prose(document)), ...lines]
}

/** Paths below a folder, from the root of the checkout. */
export function filesBelow(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .sort()
}
