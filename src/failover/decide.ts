/** The walk of one request: who is next, after what wait, or what the client is told. @module */

import { chooseCandidate } from "./balance.ts";
import type { NoRoute, Route, RouteKey, StateView } from "./candidates.ts";
import { FAILURE_CLASSES } from "./failure_class.ts";
import { type FinalWord, finalWord } from "./final_word.ts";
import { chooseKey } from "./key_pool.ts";
import type { Rotation } from "./rotation.ts";
import { comparePriority, firstInLine, isKeyOnTrial, place, type Placement, type Tier } from "./tiers.ts";
import { hasFailedThisRound, type Walk } from "./walk.ts";
import { usableWeight } from "./weight.ts";

export { afterAttempt, type Attempted, emptyWalk, type Walk } from "./walk.ts";
export type { FinalWord, TriedProvider } from "./final_word.ts";

/** The first wait between two rounds, ms; it doubles with each. */
export const ROUND_WAIT_FIRST_MS = 250;
/** Where that doubling ends, ms. */
export const ROUND_WAIT_MAX_MS = 2_000;

/** What the next step depends on. Fetch routes and view anew for each step, so that a switch acts at once. */
export interface StepInput {
  /** The routes that can serve the request (see `eligible`). */
  readonly routes: readonly Route[];
  readonly view: StateView;
  /** The model's strategy; unknown ones act as `lottery`. */
  readonly strategy: string;
  /** Attempts in total, the first included; less than 1 counts as 1. */
  readonly maxAttempts: number;
  /** Epoch ms. */
  readonly now: number;
  /** No attempt starts and no wait ends later than this, epoch ms. */
  readonly deadlineAt: number;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  /** What `sticky` sticks to. */
  readonly sessionId: string | null;
  /** Nobody probes (the sweep is off), so an unhealthy provider whose time has come is tried by traffic. */
  readonly trialUnhealthy: boolean;
  /** Why `routes` is empty, if it is (see `whyNone`). */
  readonly noRoute?: NoRoute | undefined;
}

/** Whom to try. */
export interface Pick {
  readonly route: Route;
  readonly key: RouteKey;
  readonly tier: Tier;
  /** It holds a trial slot: the shell must give it back, whatever the attempt ends in. */
  readonly trial: boolean;
  /** The turns among the model's associations after this pick, for the shell to store. */
  readonly rotation?: Rotation<number> | undefined;
  /** The turns among the provider's keys after this pick, for the shell to store. */
  readonly keyRotation?: Rotation<string> | undefined;
}

/** What to do next. */
export type Step =
  | { readonly type: "attempt"; readonly pick: Pick }
  /** Wait, then ask again with this walk. */
  | { readonly type: "wait"; readonly ms: number; readonly walk: Walk }
  | { readonly type: "give_up"; readonly final: FinalWord };

/**
 * The next step of a request.
 *
 * Within a round every candidate is tried at most once, tier by tier. A key that is refused, exhausted or limited leads to
 * the next usable key of the same provider; a provider's own trouble leads to another provider as long as one is left, in
 * whatever tier. Within a tier those of a higher priority go before all others. A further round begins, after a wait,
 * with those candidates that only passing troubles stood in the way of: the others would fail again.
 */
export function step(walk: Walk, input: StepInput): Step {
  const last = walk.attempts.at(-1);
  if (last !== undefined && FAILURE_CLASSES[last.class].next === "stop") return giveUp(walk, input);
  // Written so that NaN, which an old row may hold, allows one attempt.
  if (last !== undefined && !(walk.attempts.length < input.maxAttempts)) return giveUp(walk, input);
  if (input.now >= input.deadlineAt) return giveUp(walk, input);

  const pick = next(walk, input);
  return pick === null ? nextRound(walk, input) : { type: "attempt", pick };
}

function giveUp(walk: Walk, input: StepInput): Step {
  return { type: "give_up", final: finalWord(walk, input) };
}

function next(walk: Walk, input: StepInput): Pick | null {
  const last = walk.attempts.at(-1);
  const nextKey = last !== undefined && FAILURE_CLASSES[last.class].next === "next_key";
  const all: Placement[] = [];
  const others: Placement[] = [];
  for (const route of input.routes) {
    const placement = place(route, walk, input);
    if (placement === null) continue;
    if (nextKey && placement.tier === "ready" && route.associationId === last.associationId) {
      return pickOf(placement, undefined, input);
    }
    all.push(placement);
    if (last !== undefined && !hasFailedThisRound(walk, route.providerId)) others.push(placement);
  }
  return choose(others.length > 0 ? others : all, input);
}

function choose(pool: readonly Placement[], input: StepInput): Pick | null {
  let ready: [Placement, ...Placement[]] | null = null;
  let soonest: Placement | null = null;
  for (const placement of pool) {
    if (placement.tier === "ready") {
      if (ready === null) ready = [placement];
      else ready.push(placement);
    } else if (soonest === null || bySoonest(placement, soonest) < 0) {
      soonest = placement;
    }
  }
  if (ready === null) return soonest === null ? null : pickOf(soonest, undefined, input);
  const chosen = chooseCandidate(input.strategy, firstInLine(ready), input);
  return pickOf(chosen.item, chosen.rotation, input);
}

/** The order of those that are not ready: cooling before unhealthy, by priority, soonest deadline first, then by weight. */
export function bySoonest(a: Placement, b: Placement): number {
  if (a.tier !== b.tier) return a.tier === "cooling" ? -1 : 1;
  const byPriority = comparePriority(a, b);
  if (byPriority !== 0) return byPriority;
  if (a.deadline !== b.deadline) return a.deadline - b.deadline;
  return usableWeight(b.route.weight) - usableWeight(a.route.weight);
}

function pickOf(placement: Placement, rotation: Rotation<number> | undefined, input: StepInput): Pick {
  const { route, tier } = placement;
  const { view, random } = input;
  const chosen = chooseKey(
    placement.keys,
    route.keyPolicy,
    placement.keys.length === 1 ? undefined : view.keyRotation(route.providerId),
    (id) => view.key(id),
    random,
  );
  const trial = placement.trial || (tier === "ready" && isKeyOnTrial(chosen.key, input));
  return { route, key: chosen.key, tier, trial, rotation, keyRotation: chosen.rotation };
}

function nextRound(walk: Walk, input: StepInput): Step {
  const further: Walk = { attempts: walk.attempts, round: walk.round + 1 };
  let soonest = Infinity;
  for (const route of input.routes) {
    const placement = place(route, further, input);
    if (placement !== null) soonest = Math.min(soonest, placement.deadline);
  }
  if (soonest === Infinity) return giveUp(walk, input);
  // A provider that asked for a second gets it; for a longer time there is no point in waiting.
  const pauseMs = soonest - input.now;
  const askedMs = pauseMs <= ROUND_WAIT_MAX_MS ? pauseMs : 0;
  const ms = Math.ceil(Math.max(roundWaitMs(walk.round, input.random), askedMs));
  if (input.now + ms >= input.deadlineAt) return giveUp(walk, input);
  return { type: "wait", ms, walk: further };
}

/** The wait after a round, ms: doubling, and jittered by a fifth so that a crowd of requests does not return as one. */
function roundWaitMs(round: number, random: () => number): number {
  const baseMs = Math.min(ROUND_WAIT_FIRST_MS * 2 ** Math.min(round, 30), ROUND_WAIT_MAX_MS);
  return baseMs * (0.8 + 0.4 * random());
}
