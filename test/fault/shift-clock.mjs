// Preloaded into a process of a fault run: its wall clock is wrong by DROVER_TEST_SKEW_MS milliseconds, its monotonic
// clocks are right, as on a machine whose time was never set.
const skewMs = Number(process.env.DROVER_TEST_SKEW_MS ?? 0)
const RealDate = Date
const now = () => RealDate.now() + skewMs

globalThis.Date = new Proxy(RealDate, {
  construct: (target, words, newTarget) => Reflect.construct(target, words.length === 0 ? [now()] : words, newTarget),
  apply: () => new RealDate(now()).toString(),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
})
