// How many failed sign-ins one address may make: guessing a token must be hopeless, and cost us no memory.

export const MAX_FAILURES = 5
export const WINDOW_MS = 15 * 60 * 1000
const MAX_ADDRESSES = 10_000

/** Counts failed sign-ins per address over the last 15 minutes. Times are milliseconds of a monotonic clock. */
export class SignInLimit {
  /** Times of each address's failures, oldest first; the address that failed longest ago is the first. */
  readonly #failures = new Map<string, number[]>()

  /** Milliseconds until the address may try again; 0 when it may now. */
  waitMs(address: string, nowMs: number): number {
    const recent = this.#recent(address, nowMs)
    const [oldest] = recent
    return oldest === undefined || recent.length < MAX_FAILURES ? 0 : oldest + WINDOW_MS - nowMs
  }

  addFailure(address: string, nowMs: number): void {
    const recent = this.#recent(address, nowMs)
    this.#failures.delete(address)
    const oldest = this.#failures.keys().next()
    if (this.#failures.size >= MAX_ADDRESSES && !oldest.done) this.#failures.delete(oldest.value)
    this.#failures.set(address, [...recent, nowMs])
  }

  /** Forgets the address's failures: somebody there knows the token. */
  clear(address: string): void {
    this.#failures.delete(address)
  }

  #recent(address: string, nowMs: number): number[] {
    return (this.#failures.get(address) ?? []).filter((at) => at + WINDOW_MS > nowMs)
  }
}
