// What a verb writes: data on standard output, words about it on standard error, so that one can be piped and the other
// read. With --json, standard output holds JSON alone and standard error errors alone.
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

export interface Output {
  /** True with --json. */
  readonly json: boolean
  /** A line of data. */
  print(line: string): void
  /** A value as one line of JSON. */
  printJson(value: unknown): void
  /** A line about the data, for people; dropped with --json. */
  note(line: string): void
  /** The text in a colour where standard output is a terminal that wants one. */
  paint(style: Style, text: string): string
}

export function createOutput(options: { readonly json: boolean }): Output {
  return {
    json: options.json,
    print: (line) => void process.stdout.write(`${line}\n`),
    printJson: (value) => void process.stdout.write(`${JSON.stringify(value)}\n`),
    note: (line) => {
      if (!options.json) process.stderr.write(`${line}\n`)
    },
    paint: (style, text) => (hasColours() ? styleText(style, text) : text),
  }
}

/** https://no-color.org: any text in NO_COLOR turns colours off. */
function hasColours(): boolean {
  return process.stdout.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

// Controls, and what turns the direction of text around.
const STEERS = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** A line that steers no terminal, whatever names and ids of other programs are in it. */
export function printable(line: string): string {
  return line.replace(STEERS, '?')
}

/** Rows as aligned columns with two spaces between, printable; a column of numbers is aligned to the right. */
export function formatTable(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, String(cell).length)
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return typeof cell === 'number' ? String(cell).padStart(width) : printable(cell).padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}
