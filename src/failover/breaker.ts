/** The breaker of an association: closed, open, half-open. @module */

/** Failures in a row that open it. */
export const BREAKER_FAILURES = 5;
/** How long it stays open, ms. */
export const BREAKER_OPEN_MS = 60_000;
/** Successes on trial that close it. */
export const BREAKER_SUCCESSES = 2;

/** State of a breaker. Half-open is no state of its own: it is open with its time over. */
export interface Breaker {
  /** Failures in a row while closed. */
  readonly failures: number;
  /** Successes since it opened. */
  readonly successes: number;
  /** End of the open period, epoch ms; `null` = closed. */
  readonly openUntil: number | null;
  /** When it opened, epoch ms; `null` = closed. */
  readonly openedAt: number | null;
}

/** A breaker that has seen nothing. */
export const CLOSED_BREAKER: Breaker = { failures: 0, successes: 0, openUntil: null, openedAt: null };

/** Where the breaker stands at `now`. */
export function breakerPhase(breaker: Breaker, now: number): "closed" | "open" | "half_open" {
  if (breaker.openUntil === null) return "closed";
  return breaker.openUntil > now ? "open" : "half_open";
}

/** The breaker after a failure of the provider. `startedAt` is when the attempt began, epoch ms. */
export function breakerAfterFailure(breaker: Breaker, startedAt: number, now: number): Breaker {
  if (breaker.openUntil === null || breaker.openedAt === null) {
    const failures = breaker.failures + 1;
    return failures < BREAKER_FAILURES ? { ...breaker, failures } : opened(now);
  }
  // An attempt from before it opened is old news, and one inside the open period was a last resort.
  if (startedAt < breaker.openedAt || breaker.openUntil > now) return breaker;
  return opened(now);
}

/** The breaker after a success. `startedAt` is when the attempt began, epoch ms. */
export function breakerAfterSuccess(breaker: Breaker, startedAt: number): Breaker {
  if (breaker.openedAt === null) return breaker.failures === 0 ? breaker : CLOSED_BREAKER;
  if (startedAt < breaker.openedAt) return breaker;
  const successes = breaker.successes + 1;
  return successes < BREAKER_SUCCESSES ? { ...breaker, successes } : CLOSED_BREAKER;
}

function opened(now: number): Breaker {
  return { failures: 0, successes: 0, openUntil: now + BREAKER_OPEN_MS, openedAt: now };
}
