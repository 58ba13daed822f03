// What a promise rejects with, for tests that look at more than its code.

/** The error of the rejection; throws when there is none. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  const reason = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (reason instanceof Error) return reason
  throw new Error('expected a rejection with an error')
}
