/** The memory of one request: who was tried, in which round, and how it ended. @module */

import { isPassing } from "./failure_class.ts";
import type { FailureClass } from "./failure_class.ts";
import type { Route, RouteKey } from "./candidates.ts";
import type { Verdict } from "./verdict.ts";

/** One attempt that failed. */
export interface Attempted {
  readonly associationId: number;
  readonly providerId: number;
  readonly providerName: string;
  readonly keyId: string;
  /** The round it was made in, from 0. */
  readonly round: number;
  readonly class: FailureClass;
  readonly reason: string;
  readonly retryAfterMs: number | null;
  /** The shell holds an answer of it that could go to the client as it is. */
  readonly passOn: boolean;
}

/** The memory of one request. */
export interface Walk {
  /** In order. */
  readonly attempts: readonly Attempted[];
  /** The round that is under way, from 0. */
  readonly round: number;
}

/** The memory at the start. */
export const emptyWalk: Walk = { attempts: [], round: 0 };

/**
 * The memory after a failed attempt.
 *
 * @param pick what was tried
 * @param passOn the attempt ended in an answer whose status and body could go to the client as they are: complete, and
 * no web page. Whether they should is decided here, not by the caller.
 */
export function afterAttempt(
  walk: Walk,
  pick: { readonly route: Route; readonly key: RouteKey },
  verdict: Verdict,
  passOn: boolean,
): Walk {
  const { associationId, providerId, providerName } = pick.route;
  const attempt: Attempted = {
    associationId,
    providerId,
    providerName,
    keyId: pick.key.id,
    round: walk.round,
    class: verdict.class,
    reason: verdict.reason,
    retryAfterMs: verdict.retryAfterMs,
    passOn,
  };
  return { attempts: [...walk.attempts, attempt], round: walk.round };
}

/**
 * Whether a candidate is out for the rest of the round, or of the request.
 *
 * Passing troubles are the provider's: they take the association with all its keys out until the next round. The others
 * do not go away by waiting: they last for the request. A refused or exhausted key is that in every association of its
 * provider; a rate limit may be one model's own.
 */
export function isSpent(walk: Walk, route: Route, key: RouteKey): boolean {
  for (const attempt of walk.attempts) {
    if (attempt.providerId !== route.providerId) continue;
    const sameAssociation = attempt.associationId === route.associationId;
    const sameKey = attempt.keyId === key.id;
    if (isPassing(attempt.class)) {
      if (sameAssociation && attempt.round === walk.round) return true;
    } else if (attempt.class === "credential" || attempt.class === "quota") {
      if (sameKey) return true;
    } else if (attempt.class === "rate_limit") {
      if (sameKey && sameAssociation) return true;
    } else if (sameAssociation) return true;
  }
  return false;
}

/** Whether a provider's own trouble showed in this round: others go before its remaining associations. */
export function hasFailedThisRound(walk: Walk, providerId: number): boolean {
  for (const attempt of walk.attempts) {
    if (attempt.providerId === providerId && attempt.round === walk.round && isPassing(attempt.class)) {
      return true;
    }
  }
  return false;
}
