// Judges what ran when, from what the handlers themselves noted: it knows nothing of Redis or of how limits are kept.
export interface Run {
  readonly key: string
  readonly id: string
  readonly startedAt: number
  readonly endedAt: number
}

/** Most runs of each key at the same time. */
export function mostAtOnce(runs: readonly Run[]): Map<string, number> {
  const most = new Map<string, number>()
  for (const [key, ofKey] of byKey(runs)) {
    const edges = ofKey.flatMap(({ startedAt, endedAt }) => [[startedAt, 1] as const, [endedAt, -1] as const])
    // At the same moment an end comes first.
    edges.sort(([a, up], [b, down]) => a - b || up - down)
    let running = 0
    for (const [, step] of edges) {
      running += step
      most.set(key, Math.max(most.get(key) ?? 0, running))
    }
  }
  return most
}

/** Most of these moments within a half-open span of this length, wherever it begins; none in one of no length. */
export function mostInSpan(moments: readonly number[], spanMs: number): number {
  const sorted = [...moments].sort((a, b) => a - b)
  let first = 0
  let most = 0
  for (const [index, moment] of sorted.entries()) {
    while (first <= index && moment - (sorted[first] ?? 0) >= spanMs) first++
    most = Math.max(most, index - first + 1)
  }
  return most
}

export function byKey<Item extends { readonly key: string }>(items: readonly Item[]): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(item.key, [...(groups.get(item.key) ?? []), item])
  return groups
}
