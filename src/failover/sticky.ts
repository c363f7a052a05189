/** Sticky choice: weighted rendezvous hashing. @module */

import { usableWeight } from "./weight.ts";

/**
 * The index of the participant that a session sticks to. Each one's score depends on nothing but the session, its own
 * id and its weight, so only the sessions of one that is out move, and they come back with it.
 */
export function stickTo(session: string, ids: readonly number[], weights: readonly number[]): number {
  let index = 0;
  let best = Infinity;
  for (const [i, id] of ids.entries()) {
    const weight = usableWeight(weights[i] ?? 0);
    // The minimum of exponential times with rates w: participant i wins with probability w ÷ sum.
    const score = weight === 0 ? Infinity : -Math.log(hashToUnit(`${session}\u0000${id}`)) / weight;
    if (score < best) {
      best = score;
      index = i;
    }
  }
  return index;
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
  // 21 + 32 bits fill a double's 53; half a step keeps it off 0, whose logarithm is infinite.
  return ((a >>> 11) * 2 ** 32 + (b >>> 0) + 0.5) / 2 ** 53;
}

function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
