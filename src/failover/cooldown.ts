/** Cooldowns: "do not use until T". @module */

/** A pause of a key or an association. It stays after its end, until a success, as the mark of being on trial. */
export interface Cooldown {
  /** End of the pause, epoch ms. */
  readonly until: number;
  /** When it was last set, epoch ms. An attempt that started earlier belongs to the same burst. */
  readonly setAt: number;
  /** How many pauses in a row had no usable time of the provider's own. */
  readonly hits: number;
}

/** Why something cools. */
export type CooldownKind = "rate_limit" | "quota" | "overload" | "no_model";

/** How long a kind of pause lasts. Times in ms. */
export interface CooldownRule {
  /** The first pause when the provider states no time; it doubles with each further one. */
  readonly firstMs: number;
  /** Where the doubling ends. */
  readonly maxMs: number;
  /** The longest pause that a provider can ask for. */
  readonly capMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The rules of every kind. */
export const COOLDOWNS: Readonly<Record<CooldownKind, CooldownRule>> = {
  rate_limit: { firstMs: 15 * SECOND, maxMs: 5 * MINUTE, capMs: HOUR },
  // Money does not come back in seconds, and most quotas are counted by the day.
  quota: { firstMs: 15 * MINUTE, maxMs: 24 * HOUR, capMs: 24 * HOUR },
  // Used only with a stated time: without one, the failure itself and the breaker say enough.
  overload: { firstMs: 0, maxMs: 0, capMs: HOUR },
  // A name that the vendor does not know is a slip in the configuration, or a model that is rolled out slowly.
  no_model: { firstMs: 5 * MINUTE, maxMs: HOUR, capMs: HOUR },
};

/**
 * The pause after one more failure.
 *
 * The latest deadline wins. A burst counts once: an attempt that started before the pause was set does not double it,
 * or else twenty requests in flight would turn one moment's limit into the longest pause.
 *
 * @param previous the pause so far
 * @param retryAfterMs the provider's own time, if usable
 * @param startedAt start of the attempt that failed, epoch ms
 */
export function cooldownAfter(
  previous: Cooldown | null,
  kind: CooldownKind,
  retryAfterMs: number | null,
  startedAt: number,
  now: number,
): Cooldown {
  const rule = COOLDOWNS[kind];
  const sameBurst = previous !== null && startedAt < previous.setAt;
  let hits = previous === null ? 0 : previous.hits;
  let lengthMs: number;
  if (retryAfterMs !== null && retryAfterMs > 0) {
    lengthMs = Math.min(retryAfterMs, rule.capMs);
  } else {
    if (!sameBurst || hits === 0) hits++;
    // 2^30 is past every maximum; the bound only keeps the power finite.
    lengthMs = Math.min(rule.firstMs * 2 ** Math.min(hits - 1, 30), rule.maxMs);
  }
  const until = Math.max(previous === null ? 0 : previous.until, now + lengthMs);
  return { until, setAt: sameBurst ? previous.setAt : now, hits };
}

/**
 * The pause after a success. A success that began before the pause was set proves nothing about it: a long stream
 * that ends well does not lift the limit that others ran into meanwhile.
 */
export function cooldownAfterSuccess(previous: Cooldown | null, startedAt: number): Cooldown | null {
  return previous === null || startedAt >= previous.setAt ? null : previous;
}
