/** Smooth weighted turns: A A B A for 3:1, never A A A B. @module */

import type { Lot } from "./weight.ts";

/** Credit of each participant by its id. Those that are out for the moment keep theirs. */
export type Rotation<Id> = ReadonlyMap<Id, number>;

/** Whose turn it is, and the credits after it. */
export interface Turn<T, Id> {
  readonly item: T;
  readonly rotation: Rotation<Id>;
}

/** Credits that differ by less are equal: thirds do not add up exactly, and equal weights must take exact turns. */
const ROUNDING = 1e-9;

/**
 * Gives the turn to the participant with the most credit (the algorithm of nginx' upstream module): everybody earns
 * their share, the chosen one pays the whole. Those without a share have no turn.
 */
export function nextTurn<T, Id>(
  fallback: T,
  lots: readonly Lot<T>[],
  idOf: (item: T) => Id,
  rotation: Rotation<Id> | undefined,
): Turn<T, Id> {
  const credits = new Map(rotation);
  let chosen = fallback;
  let most = -Infinity;
  for (const { item, share } of lots) {
    if (share <= 0) continue;
    const id = idOf(item);
    const credit = (credits.get(id) ?? 0) + share;
    credits.set(id, credit);
    if (credit - most > ROUNDING) {
      most = credit;
      chosen = item;
    }
  }
  credits.set(idOf(chosen), most - 1);
  return { item: chosen, rotation: credits };
}
