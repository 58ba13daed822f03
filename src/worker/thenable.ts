// Tells a promise, or what acts like one, from a value: a handler that returns a value costs no promise.

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
