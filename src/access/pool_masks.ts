/** Which key of a stored pool each mask of a pool means. @module */
import { mask, unknownMask, type Unmergeable } from "./secrets.ts";

/** A key of a pool, or a mask in its place. */
export interface PoolKey {
  /** Where it stands, for refusals. */
  readonly where: string;
  /** The operator's name for it; `""` = none. */
  readonly name: string;
  /** The secret, or the mask. */
  readonly text: string;
}

/**
 * Finds the secret of each mask. Entries may have been added, removed, reordered or renamed in between, so a mask
 * is matched by what it shows, then by name, and by order only while as many masks as secrets are left over. What
 * stays ambiguous is refused: a wrong key would be charged.
 *
 * @param fallback Keys to look among when the pool has none that fits: the single key that the pool replaces.
 */
export function resolvePool(
  masks: readonly PoolKey[],
  pool: readonly PoolKey[],
  fallback: readonly PoolKey[],
): { readonly ok: true; readonly secrets: string[] } | Unmergeable {
  const found = new Map<PoolKey, string>();
  for (const shown of new Set(masks.map(({ text }) => text))) {
    const fits = (key: PoolKey) => mask(key.text) === shown;
    const own = pool.filter(fits);
    const wanted = masks.filter(({ text }) => text === shown);
    const refusal = assign(wanted, own.length > 0 ? own : fallback.filter(fits), found);
    if (refusal !== null) return refusal;
  }
  return { ok: true, secrets: masks.map((one) => found.get(one) ?? "") };
}

/** Assigns secrets that all look alike to masks that all look alike. */
function assign(
  wanted: readonly PoolKey[],
  stored: readonly PoolKey[],
  found: Map<PoolKey, string>,
): Unmergeable | null {
  const [first] = stored;
  const [firstWanted] = wanted;
  if (firstWanted === undefined) return null;
  if (first === undefined) return unknownMask(firstWanted.where);
  if (stored.every(({ text }) => text === first.text)) {
    for (const one of wanted) found.set(one, first.text);
    return null;
  }
  const openMasks: PoolKey[] = [], taken = new Set<PoolKey>();
  for (const one of wanted) {
    const named = one.name === "" ? [] : stored.filter(({ name }) => name === one.name);
    const [match] = named;
    if (match !== undefined && named.length === 1) {
      found.set(one, match.text);
      taken.add(match);
    } else openMasks.push(one);
  }
  const left = stored.filter((key) => !taken.has(key));
  const [firstOpen] = openMasks;
  if (firstOpen === undefined) return null;
  if (left.length !== openMasks.length) {
    return {
      ok: false,
      reason:
        `${firstOpen.where} is a mask that fits several stored keys; send the key itself, or give the entries names`,
    };
  }
  openMasks.forEach((one, index) => found.set(one, left[index]?.text ?? ""));
  return null;
}
