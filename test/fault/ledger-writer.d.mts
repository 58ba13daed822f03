// Types of ledger-writer.mjs.
import type { LedgerLine } from './ledger-file.js'

export interface LedgerWriter {
  append(...lines: readonly LedgerLine[]): void
  close(): void
}
export function openLedger(path: string): LedgerWriter
