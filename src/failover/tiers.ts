/** Tiers: how good a candidate is at this moment. @module */

import type { Route, RouteKey, StateView } from "./candidates.ts";
import { keyDeadline, type KeyState, keyStatus } from "./key_pool.ts";
import { isSpent, type Walk } from "./walk.ts";

/** The tiers, best first. What the operator has switched off is in none. */
export type Tier = "ready" | "cooling" | "unhealthy";

/** A route with its tier and the keys of it that fit that tier. */
export interface Placement {
  readonly route: Route;
  readonly tier: Tier;
  /** Being on trial, it takes one request at a time until it has succeeded. */
  readonly trial: boolean;
  /** The end of what holds it back, epoch ms; 0 for a ready one. */
  readonly deadline: number;
  /** The keys that may be used now; when there is none, the one whose time comes first. */
  readonly keys: readonly [RouteKey, ...RouteKey[]];
}

/** What a placement depends on besides the route. */
export interface PlaceInput {
  readonly view: StateView;
  /** Epoch ms. */
  readonly now: number;
  /** Nobody probes (the sweep is off), so an unhealthy provider whose time has come is tried by traffic. */
  readonly trialUnhealthy: boolean;
}

/** The tier of a route, from its provider's health, its association and its keys; `null` when the walk has spent it. */
export function place(route: Route, walk: Walk, input: PlaceInput): Placement | null {
  const keys = placeKeys(route, walk, input);
  if (keys === null) return null;
  const standing = standAssociation(route, input);
  if (keys.tier === "ready" && standing.tier === "ready") {
    return { route, tier: "ready", trial: standing.trial, deadline: 0, keys: keys.keys };
  }
  const tier = keys.tier === "unhealthy" || standing.tier === "unhealthy" ? "unhealthy" : "cooling";
  const deadline = Math.max(keys.deadline, standing.deadline);
  return { route, tier, trial: false, deadline, keys: keys.keys };
}

/** Orders two placements by their providers' priorities: the larger first. */
export function comparePriority(a: Placement, b: Placement): number {
  return b.route.priority - a.route.priority;
}

/** Those of the highest priority. Among them the model's strategy chooses; the others come after all of them. */
export function firstInLine(
  [first, ...others]: readonly [Placement, ...Placement[]],
): [Placement, ...Placement[]] {
  let line: [Placement, ...Placement[]] = [first];
  for (const placement of others) {
    const order = comparePriority(placement, line[0]);
    if (order === 0) line.push(placement);
    else if (order < 0) line = [placement];
  }
  return line;
}

/** Whether a key's pause is over without a success since. */
export function isKeyOnTrial(key: RouteKey, input: PlaceInput): boolean {
  return keyStatus(input.view.key(key.id), input.now) === "trial";
}

interface Standing {
  readonly tier: Tier;
  readonly trial: boolean;
  readonly deadline: number;
}

const READY: Standing = { tier: "ready", trial: false, deadline: 0 };
const ON_TRIAL: Standing = { tier: "ready", trial: true, deadline: 0 };

function standAssociation(route: Route, { view, now, trialUnhealthy }: PlaceInput): Standing {
  const state = view.association(route.associationId);
  const slotTaken = state !== undefined && state.trials > 0;
  let trial = false;

  const health = view.health(route.providerId);
  if (health !== undefined && !health.isHealthy) {
    const retryAt = health.nextRetryAt ?? 0;
    if (!trialUnhealthy || retryAt > now || slotTaken) {
      return { tier: "unhealthy", trial: false, deadline: retryAt };
    }
    trial = true;
  }
  if (state === undefined) return trial ? ON_TRIAL : READY;

  let deadline = state.cooldown === null ? 0 : state.cooldown.until;
  trial ||= state.cooldown !== null;
  const { openUntil } = state.breaker;
  if (route.breaker && openUntil !== null) {
    deadline = Math.max(deadline, openUntil);
    trial = true;
  }
  if (deadline > now || (trial && slotTaken)) return { tier: "cooling", trial: false, deadline };
  return trial ? ON_TRIAL : READY;
}

interface KeyPlacement {
  readonly tier: Tier;
  readonly deadline: number;
  readonly keys: readonly [RouteKey, ...RouteKey[]];
}

function placeKeys(route: Route, walk: Walk, input: PlaceInput): KeyPlacement | null {
  const { view, now } = input;
  let ready: [RouteKey, ...RouteKey[]] | null = null;
  let best: KeyPlacement | null = null;
  for (const key of route.keys) {
    if (isSpent(walk, route, key)) continue;
    const state = view.key(key.id);
    const status = keyStatus(state, now);
    if (status === "usable" || (status === "trial" && !hasTrial(state))) {
      if (ready === null) ready = [key];
      else ready.push(key);
    } else if (ready === null) {
      const tier = status === "bad" ? "unhealthy" : "cooling";
      const deadline = keyDeadline(state);
      const better = best === null || (tier === best.tier ? deadline < best.deadline : tier === "cooling");
      if (better) best = { tier, deadline, keys: [key] };
    }
  }
  return ready === null ? best : { tier: "ready", deadline: 0, keys: ready };
}

function hasTrial(state: KeyState | undefined): boolean {
  return state !== undefined && state.trials > 0;
}
