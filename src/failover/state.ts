/** What is known of an association, and how each attempt changes it. @module */

import { type Breaker, breakerAfterFailure, breakerAfterSuccess, CLOSED_BREAKER } from "./breaker.ts";
import { type Cooldown, cooldownAfter, cooldownAfterSuccess } from "./cooldown.ts";
import { isProviderFailure } from "./failure_class.ts";
import type { Verdict } from "./verdict.ts";

export { keyAfter, type KeyState, NEW_KEY } from "./key_pool.ts";

/** What is known of an association. */
export interface AssociationState {
  /** The pause, or the mark that one has just ended. */
  readonly cooldown: Cooldown | null;
  readonly breaker: Breaker;
  /** Attempts under way. */
  readonly inFlight: number;
  /** Attempts since the day began. */
  readonly usedToday: number;
  /** Recent time to the first token, a moving average in ms; `null` = never measured. */
  readonly ttftMs: number | null;
  /** Trials under way: while it is on trial, at most one. */
  readonly trials: number;
}

/** An association that has not been used. */
export const NEW_ASSOCIATION: AssociationState = {
  cooldown: null,
  breaker: CLOSED_BREAKER,
  inFlight: 0,
  usedToday: 0,
  ttftMs: null,
  trials: 0,
};

/** Part of a new measurement in the moving average. */
const TTFT_ALPHA = 0.3;

/** What the reducers need to know about an attempt besides its verdict. */
export interface AttemptContext {
  /** Start of the attempt, epoch ms. */
  readonly startedAt: number;
  /** The model's breaker is on. */
  readonly breaker: boolean;
}

/** The association as an attempt starts. `trial` takes a trial slot. */
export function associationStarted(state: AssociationState, trial: boolean): AssociationState {
  return {
    ...state,
    inFlight: state.inFlight + 1,
    usedToday: state.usedToday + 1,
    trials: trial ? state.trials + 1 : state.trials,
  };
}

/** The association with one attempt less under way. */
export function associationEnded(state: AssociationState): AssociationState {
  return { ...state, inFlight: Math.max(0, state.inFlight - 1) };
}

/** The association with one trial slot given back. */
export function associationTrialOver(state: AssociationState): AssociationState {
  return { ...state, trials: Math.max(0, state.trials - 1) };
}

/** The association after its first output, `ttftMs` after the attempt's start. */
export function associationMeasured(state: AssociationState, ttftMs: number): AssociationState {
  if (!(ttftMs >= 0)) return state;
  const previous = state.ttftMs;
  return { ...state, ttftMs: previous === null ? ttftMs : previous + TTFT_ALPHA * (ttftMs - previous) };
}

/**
 * The association's pause after its first output. Real output ends a trial: a long stream need not come to its end
 * first. The breaker waits for the end, since a stream may still break.
 */
export function associationAnswers(state: AssociationState, startedAt: number): AssociationState {
  const cooldown = cooldownAfterSuccess(state.cooldown, startedAt);
  return cooldown === state.cooldown ? state : { ...state, cooldown };
}

/**
 * The association after an attempt. Rate limits, caller faults and hang-ups neither count as failures nor clear them.
 *
 * @param verdict `null` = success
 */
export function associationAfter(
  state: AssociationState,
  verdict: Verdict | null,
  context: AttemptContext,
  now: number,
): AssociationState {
  const { startedAt } = context;
  if (verdict === null) {
    const next = associationAnswers(state, startedAt);
    const breaker = context.breaker ? breakerAfterSuccess(next.breaker, startedAt) : CLOSED_BREAKER;
    return breaker === next.breaker ? next : { ...next, breaker };
  }
  let { cooldown, breaker } = state;
  if (verdict.class === "no_model" || (verdict.class === "overload" && verdict.retryAfterMs !== null)) {
    cooldown = cooldownAfter(cooldown, verdict.class, verdict.retryAfterMs, startedAt, now);
  }
  if (!context.breaker) breaker = CLOSED_BREAKER;
  else if (isProviderFailure(verdict.class)) breaker = breakerAfterFailure(breaker, startedAt, now);
  return cooldown === state.cooldown && breaker === state.breaker ? state : { ...state, cooldown, breaker };
}
