// `ctx.progress` of an isolated handler: one value is on its way at a time, and of those that come meanwhile the newest
// follows it, so that a handler that does not wait for it cannot flood the worker.
export interface ChildProgress {
  /** Resolves when this value, or a newer one in its place, is written. */
  readonly show: (value: number | object) => Promise<void>
  /** The worker has written the value on its way, or could not. */
  answered(error: unknown): void
}

interface Waiting {
  readonly value: number | object
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export function createChildProgress(post: (value: number | object) => void): ChildProgress {
  let underWay: Waiting[] = []
  let next: Waiting[] = []
  const send = () => {
    underWay = next
    next = []
    const newest = underWay.at(-1)
    if (newest !== undefined) post(newest.value)
  }
  return {
    show: (value) =>
      new Promise((resolve, reject) => {
        next.push({ value, resolve, reject })
        if (underWay.length === 0) send()
      }),
    answered: (error) => {
      const written = underWay
      send()
      for (const { resolve, reject } of written) {
        if (error === undefined) resolve()
        else reject(error)
      }
    },
  }
}
