// Appends lines to the ledger of a fault run; each call returns when they are on disk. Several processes share one file:
// a line is one write to a file opened for appending, so lines never mix.
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'

/** @returns {{ append(...lines: object[]): void, close(): void }} */
export function openLedger(path) {
  const file = openSync(path, 'a')
  return {
    append: (...lines) => {
      const at = Number(process.hrtime.bigint() / 1_000n) / 1_000
      // A line cut short by a kill must not swallow the next one, so each write starts a new line.
      writeSync(file, lines.map((line) => `\n${JSON.stringify({ ...line, at })}`).join(''))
      fdatasyncSync(file)
    },
    close: () => closeSync(file),
  }
}
