/** Sticky choice: weighted rendezvous hashing. @module */

import type { Lot } from "./weight.ts";

/**
 * The participant that a session sticks to. Each one's score depends on nothing but the session, its own id and its
 * share, so only the sessions of one that is out move, and they come back with it.
 */
export function stickTo<T>(
  fallback: T,
  lots: readonly Lot<T>[],
  idOf: (item: T) => number,
  session: string,
): T {
  let chosen = fallback;
  let least = Infinity;
  for (const { item, share } of lots) {
    // The minimum of exponential times with rates s: a participant wins with probability s ÷ sum, and with 0 never.
    const score = -Math.log(hashToUnit(`${session}\u0000${idOf(item)}`)) / share;
    if (score < least) {
      least = score;
      chosen = item;
    }
  }
  return chosen;
}

/**
 * A number in (0, 1) that looks random and depends on the text alone: two FNV-1a style lanes with the finisher of
 * MurmurHash3, since plain FNV leaves texts that differ only at their end close together.
 */
export function hashToUnit(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x1b873593;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca77);
  }
  a = finish(a ^ (b >>> 15));
  b = finish(b ^ (a >>> 13));
  // 20 + 32 bits, and half a step that keeps it off 0, whose logarithm is infinite: a double holds all of it exactly.
  return ((a >>> 12) * 2 ** 32 + (b >>> 0) + 0.5) / 2 ** 52;
}

function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
