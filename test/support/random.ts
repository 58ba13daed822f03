// A random generator with a seed, so that a failed run can be repeated: DROVER_TEST_SEED=<seed>.

/** The seed of this run: that of the environment, else the time. */
export function testSeed(): number {
  const given = Number(process.env.DROVER_TEST_SEED)
  return Number.isSafeInteger(given) && given > 0 ? given : Date.now() % 2 ** 31
}

export interface Random {
  /** A whole number from 0 to below `end`. */
  below(end: number): number
  /** True as often as `share` of 1 says. */
  chance(share: number): boolean
  pick<Item>(items: readonly Item[]): Item
}

/** The generator `mulberry32` (public domain, by Tommy Ettinger). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number) => Math.floor(next() * end)
  return {
    below,
    chance: (share) => next() < share,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
  }
}

/** The values in an order that the seed decides. */
export function shuffle<Value>(values: readonly Value[], seed: number): Value[] {
  const random = createRandom(seed)
  const left = [...values]
  const order: Value[] = []
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1))
  return order
}
