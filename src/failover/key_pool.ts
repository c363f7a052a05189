/** The keys of a provider: what state each one is in, and which one is next. @module */

import { type Cooldown, cooldownAfter, cooldownAfterSuccess } from "./cooldown.ts";
import { nextTurn, type Rotation } from "./rotation.ts";
import type { Verdict } from "./verdict.ts";
import { draw, type Lot, lotsOf } from "./weight.ts";

/** How a provider's next key is chosen. */
export type KeyPolicy = "round_robin" | "least_used" | "random";

/** One credential of a route, by reference: the secret itself never comes here. */
export interface RouteKey {
  /** Unique over all providers; a provider without credentials has one keyless entry with an id of its own. */
  readonly id: string;
  /** Share of the provider's traffic; 0 = only when no key with weight is left. */
  readonly weight: number;
}

/** What is known of a key. */
export interface KeyState {
  /** The pause, or the mark that one has just ended. */
  readonly cooldown: Cooldown | null;
  /** Set while the vendor refuses the key: when it may be tried again, epoch ms. */
  readonly badUntil: number | null;
  /** When it was last refused, epoch ms. */
  readonly badSince: number | null;
  /** Refusals in a row. */
  readonly refusals: number;
  /** Key-related errors (refused, limited, out of quota) since its last success. */
  readonly errorCount: number;
  /** The last one, as stated by its verdict; `null` after a success. It may quote the vendor. */
  readonly lastError: string | null;
  /** Start of its last use, epoch ms. */
  readonly lastUsedAt: number | null;
  /** Uses since the start of the program or the last reset. */
  readonly useCount: number;
  /** Trials that are under way. */
  readonly trials: number;
}

/** A key that has not been used. */
export const NEW_KEY: KeyState = {
  cooldown: null,
  badUntil: null,
  badSince: null,
  refusals: 0,
  errorCount: 0,
  lastError: null,
  lastUsedAt: null,
  useCount: 0,
  trials: 0,
};

/** How long a refused key rests before one request may try it again, ms; it doubles with each refusal in a row. */
export const BAD_KEY_FIRST_MS = 60 * 60_000;
/** Where that doubling ends, ms. */
export const BAD_KEY_MAX_MS = 24 * 60 * 60_000;

/** Where a key stands: `trial` = its pause is over, but no success has confirmed it yet. */
export type KeyStatus = "usable" | "trial" | "cooling" | "bad";

/** Where a key stands at `now`. */
export function keyStatus(state: KeyState | undefined, now: number): KeyStatus {
  if (state === undefined) return "usable";
  if (state.badUntil !== null && state.badUntil > now) return "bad";
  if (state.cooldown === null) return state.badUntil === null ? "usable" : "trial";
  return state.cooldown.until > now ? "cooling" : "trial";
}

/** When a key's pause ends or ended, epoch ms; 0 when it has none. */
export function keyDeadline(state: KeyState | undefined): number {
  if (state === undefined) return 0;
  return Math.max(state.badUntil ?? 0, state.cooldown === null ? 0 : state.cooldown.until);
}

/** The key as an attempt with it starts. `trial` takes a trial slot. */
export function keyStarted(state: KeyState, trial: boolean, now: number): KeyState {
  return {
    ...state,
    lastUsedAt: now,
    useCount: state.useCount + 1,
    trials: trial ? state.trials + 1 : state.trials,
  };
}

/** The key with one trial slot given back. */
export function keyTrialOver(state: KeyState): KeyState {
  return { ...state, trials: Math.max(0, state.trials - 1) };
}

/**
 * The key after an attempt. Only what concerns the key changes it: a server's failure says nothing of a credential.
 *
 * @param verdict `null` = success
 * @param startedAt start of the attempt, epoch ms
 */
export function keyAfter(state: KeyState, verdict: Verdict | null, startedAt: number, now: number): KeyState {
  if (verdict === null) return keyAfterSuccess(state, startedAt);
  switch (verdict.class) {
    case "credential": {
      const sameBurst = state.badSince !== null && startedAt < state.badSince;
      const refusals = sameBurst ? state.refusals : state.refusals + 1;
      const restMs = Math.min(BAD_KEY_FIRST_MS * 2 ** Math.min(refusals - 1, 30), BAD_KEY_MAX_MS);
      return { ...withError(state, verdict), badUntil: now + restMs, badSince: now, refusals };
    }
    case "quota":
    case "rate_limit":
      return {
        ...withError(state, verdict),
        cooldown: cooldownAfter(state.cooldown, verdict.class, verdict.retryAfterMs, startedAt, now),
      };
    case "caller_fault":
    case "overload":
    case "server":
    case "no_model":
    case "network":
    case "timeout":
    case "bad_answer":
    case "client_gone":
    case "gateway_fault":
      return state;
  }
}

function keyAfterSuccess(state: KeyState, startedAt: number): KeyState {
  // A stream that began before the vendor refused the key does not make it good again.
  const stillBad = state.badSince !== null && startedAt < state.badSince;
  const cooldown = cooldownAfterSuccess(state.cooldown, startedAt);
  if (stillBad) return cooldown === state.cooldown ? state : { ...state, cooldown };
  if (state.errorCount === 0 && state.badUntil === null && cooldown === state.cooldown) return state;
  const clear = cooldown === null;
  return {
    ...state,
    cooldown,
    badUntil: null,
    badSince: null,
    refusals: 0,
    errorCount: clear ? 0 : state.errorCount,
    lastError: clear ? null : state.lastError,
  };
}

function withError(state: KeyState, verdict: Verdict): KeyState {
  return { ...state, errorCount: state.errorCount + 1, lastError: verdict.detail };
}

/** The key chosen, and the turns of the pool after it where the policy keeps turns. */
export interface ChosenKey {
  readonly key: RouteKey;
  readonly rotation?: Rotation<string>;
}

/** Chooses among keys that are all fit for use. One without weight is chosen only when none with weight is there. */
export function chooseKey(
  keys: readonly [RouteKey, ...RouteKey[]],
  policy: KeyPolicy,
  rotation: Rotation<string> | undefined,
  stateOf: (id: string) => KeyState | undefined,
  random: () => number,
): ChosenKey {
  const [first] = keys;
  if (keys.length === 1) return { key: first };
  const lots = lotsOf(keys, (key) => key.weight);
  switch (policy) {
    case "random":
      return { key: draw(first, lots, random) };
    case "least_used":
      return { key: leastUsed(first, lots, stateOf) };
    case "round_robin": {
      const turn = nextTurn(first, lots, (key) => key.id, rotation);
      return { key: turn.item, rotation: turn.rotation };
    }
  }
}

function leastUsed(
  first: RouteKey,
  lots: readonly Lot<RouteKey>[],
  stateOf: (id: string) => KeyState | undefined,
): RouteKey {
  let chosen = first;
  let least = Infinity;
  for (const { item, share } of lots) {
    const load = share > 0 ? (stateOf(item.id)?.useCount ?? 0) / share : Infinity;
    if (load < least) {
      least = load;
      chosen = item;
    }
  }
  return chosen;
}
