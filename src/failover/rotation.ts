/** Smooth weighted turns: A A B A for 3:1, never A A A B. @module */

/** Credit of each participant by its id. Those that are out for the moment keep theirs. */
export type Rotation<Id> = ReadonlyMap<Id, number>;

/** Whose turn it is, and the credits after it. */
export interface Turn<Id> {
  /** Index into the participants. */
  readonly index: number;
  readonly rotation: Rotation<Id>;
}

/**
 * Gives the turn to the participant with the most credit (the algorithm of nginx' upstream module): everybody earns
 * their share, the chosen one pays the whole.
 *
 * @param shares one for each id, adding up to 1
 */
export function nextTurn<Id>(
  rotation: Rotation<Id> | undefined,
  ids: readonly Id[],
  shares: readonly number[],
): Turn<Id> {
  const credits = new Map(rotation);
  let index = 0;
  let most = -Infinity;
  for (const [i, id] of ids.entries()) {
    const credit = (credits.get(id) ?? 0) + (shares[i] ?? 0);
    credits.set(id, credit);
    if (credit > most) {
      most = credit;
      index = i;
    }
  }
  const chosen = ids[index];
  if (chosen !== undefined) credits.set(chosen, most - 1);
  return { index, rotation: credits };
}
