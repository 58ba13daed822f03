// A promise that knows whether somebody waits for it, so that a step which is called without `await` and fails does not end
// the worker as a rejection that nobody handles. What becomes of such a failure is kept-context.ts.

export class StepPromise<Value> extends Promise<Value> {
  /** What comes of `then` is an ordinary promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise
  }

  #isAwaited = false
  #failure: unknown

  /** Settles as `work` does; `onFailure` is told of a rejection first. */
  constructor(work: Promise<Value>, onFailure: (failure: unknown) => void) {
    super((resolve, reject) => {
      work.then(resolve, (thrown: unknown) => {
        this.#failure = thrown
        onFailure(thrown)
        reject(thrown)
      })
    })
    // Handled here, whoever else does.
    super.then(undefined, () => undefined)
  }

  get isAwaited(): boolean {
    return this.#isAwaited
  }

  /** What it was rejected with, once it was. */
  get failure(): unknown {
    return this.#failure
  }

  // `await`, `Promise.all`, `catch` and `finally` come by here too.
  // biome-ignore lint/suspicious/noThenProperty: it is a promise, and counts who waits for it.
  override then<Good = Value, Bad = never>(
    onGood?: ((value: Value) => Good | PromiseLike<Good>) | null,
    onBad?: ((reason: unknown) => Bad | PromiseLike<Bad>) | null,
  ): Promise<Good | Bad> {
    this.#isAwaited = true
    return super.then(onGood, onBad)
  }
}
