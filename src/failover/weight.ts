/** Weights that cannot break arithmetic, and the draw by weight. @module */

/** A weight as it counts: rows of older programs may hold NaN, negative or absurdly large numbers. */
export function usableWeight(weight: number): number {
  return weight > 0 ? Math.min(weight, Number.MAX_VALUE) : 0;
}

/**
 * Shares of the whole, in the order of the weights; they add up to 1. Weights are scaled by the largest one first,
 * since the sum of two weights of 1e308 is infinite. Without any weight all shares are equal.
 */
export function sharesOf(weights: readonly number[]): number[] {
  let largest = 0;
  for (const weight of weights) largest = Math.max(largest, usableWeight(weight));
  const scaled = weights.map((weight) => largest === 0 ? 1 : usableWeight(weight) / largest);
  let total = 0;
  for (const weight of scaled) total += weight;
  return scaled.map((weight) => weight / total);
}

/** The index of the one drawn: each with the probability of its share. `random` gives numbers in [0, 1). */
export function draw(shares: readonly number[], random: () => number): number {
  let rest = random();
  let last = 0;
  for (let i = 0; i < shares.length; i++) {
    const share = shares[i] ?? 0;
    if (share <= 0) continue;
    last = i;
    rest -= share;
    if (rest < 0) return i;
  }
  // Rounding can leave a crumb: it belongs to the last one that has a share.
  return last;
}
