// Waits for a condition by asking again and again, for what has no event to wait for.
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 60_000
const PAUSE_MS = 10

/** For `vi.waitFor`, which gives up after one second otherwise: less than a busy machine may stand still. */
export const PATIENCE = { timeout: PATIENCE_MS, interval: 20 }

/** Resolves when the condition holds; rejects with what was waited for when it does not in `patienceMs` (60 s). */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(PAUSE_MS)
  }
}
