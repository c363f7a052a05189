/** Weights that cannot break arithmetic, and the draw by weight. @module */

/** A participant with its part of the whole. */
export interface Lot<T> {
  readonly item: T;
  /** From 0 to 1; those of all participants add up to 1. */
  readonly share: number;
}

/** A weight as it counts: rows of older programs may hold NaN, negative or absurdly large numbers. */
export function usableWeight(weight: number): number {
  return weight > 0 ? Math.min(weight, Number.MAX_VALUE) : 0;
}

/**
 * The share of each item. Weights are scaled by the largest one first, since the sum of two weights of 1e308 is
 * infinite. Weight 0 gets no share while another has weight; without any weight all shares are equal.
 */
export function lotsOf<T>(items: readonly T[], weightOf: (item: T) => number): Lot<T>[] {
  let largest = 0;
  for (const item of items) largest = Math.max(largest, usableWeight(weightOf(item)));
  if (largest === 0) return items.map((item) => ({ item, share: 1 / items.length }));
  let total = 0;
  for (const item of items) total += usableWeight(weightOf(item)) / largest;
  return items.map((item) => ({ item, share: usableWeight(weightOf(item)) / largest / total }));
}

/** Draws one: each with the probability of its share. `random` gives numbers in [0, 1). */
export function draw<T>(fallback: T, lots: readonly Lot<T>[], random: () => number): T {
  let rest = random();
  let drawn = fallback;
  for (const { item, share } of lots) {
    if (share <= 0) continue;
    // Rounding can leave a crumb at the end: it belongs to the last one that has a share.
    drawn = item;
    rest -= share;
    if (rest < 0) break;
  }
  return drawn;
}
