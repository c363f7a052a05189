/** What would happen to a request now, without calling anyone: data for `POST /api/explain`. @module */

import { chances } from "./balance.ts";
import { breakerPhase } from "./breaker.ts";
import { eligible, fits, type Misfit, type Need, type NoRoute, type Route, whyNone } from "./candidates.ts";
import { bySoonest } from "./decide.ts";
import { keyDeadline, type KeyStatus, keyStatus } from "./key_pool.ts";
import { firstInLine, place, type PlaceInput, type Placement, type Tier } from "./tiers.ts";
import { emptyWalk } from "./walk.ts";
import { usableWeight } from "./weight.ts";

/** What holds a candidate back, or has just done so. */
export type Hold =
  | "unhealthy"
  | "cooling"
  | "cooldown_over"
  | "breaker_open"
  | "breaker_half_open"
  | "trial_under_way";

/** A key of a candidate. */
export interface ExplainedKey {
  readonly id: string;
  readonly status: KeyStatus;
  /** End of its pause, epoch ms; `null` = none is running. */
  readonly until: number | null;
}

/** A candidate in its place. */
export interface ExplainedCandidate {
  readonly associationId: number;
  readonly providerId: number;
  readonly providerName: string;
  readonly providerModel: string;
  readonly tier: Tier;
  /** One request at a time. */
  readonly trial: boolean;
  /** When what holds it back ends, epoch ms; `null` for a ready one. */
  readonly until: number | null;
  /** As it counts: never negative, never NaN. */
  readonly weight: number;
  /** Its provider's: larger goes first. */
  readonly priority: number;
  /** Probability that a request that comes now goes to it first. */
  readonly share: number;
  readonly holds: readonly Hold[];
  readonly keys: readonly ExplainedKey[];
}

/** A route that is no candidate. */
export interface ExcludedRoute {
  readonly associationId: number;
  readonly providerId: number;
  readonly providerName: string;
  readonly providerModel: string;
  readonly reason: Misfit;
}

/** The plan of a request. */
export interface Explanation {
  /** In the order in which they would be tried. Where chance decides, the likeliest first. */
  readonly candidates: readonly ExplainedCandidate[];
  readonly excluded: readonly ExcludedRoute[];
  /** Why there is no candidate; `null` when there are some. */
  readonly noRoute: NoRoute | null;
}

/** What the plan depends on besides routes and need. */
export interface ExplainInput extends PlaceInput {
  readonly strategy: string;
  readonly sessionId: string | null;
}

/** The plan of a request that would come now: who is tried in which order, who is not, and why. */
export function explain(routes: readonly Route[], need: Need, input: ExplainInput): Explanation {
  const placed: Placement[] = [];
  for (const route of eligible(routes, need)) {
    const placement = place(route, emptyWalk, input);
    if (placement !== null) placed.push(placement);
  }
  const rest = placed.filter((placement) => placement.tier !== "ready").sort(bySoonest);
  const ready = inTurn(placed.filter((placement) => placement.tier === "ready"), input);
  const [first] = ready.length > 0 ? [] : rest;
  const shares = new Map(first === undefined ? oddsOf(ready, input) : [[first, 1]]);

  const excluded: ExcludedRoute[] = [];
  for (const route of routes) {
    const reason = fits(route, need);
    if (reason !== null) excluded.push({ ...name(route), reason });
  }
  return {
    candidates: [...ready, ...rest].map((each) => describe(each, shares.get(each) ?? 0, input)),
    excluded,
    noRoute: placed.length === 0 ? whyNone(routes, need) : null,
  };
}

/** The ready ones in the order of a request whose every attempt fails: the likeliest, then the likeliest of the rest. */
function inTurn(ready: readonly Placement[], input: ExplainInput): Placement[] {
  const [first, ...others] = oddsOf(ready, input);
  if (first === undefined) return [];
  const [likeliest] = others.reduce((best, each) => each[1] > best[1] ? each : best, first);
  return [likeliest, ...inTurn(ready.filter((each) => each !== likeliest), input)];
}

function oddsOf(ready: readonly Placement[], input: ExplainInput): [Placement, number][] {
  const [first, ...others] = ready;
  if (first === undefined) return [];
  return chances(input.strategy, firstInLine([first, ...others]), input).map((
    { item, share },
  ) => [item, share]);
}

function describe(placement: Placement, share: number, input: ExplainInput): ExplainedCandidate {
  const { route, tier, trial, deadline } = placement;
  const { view, now } = input;
  return {
    ...name(route),
    tier,
    trial,
    until: tier === "ready" ? null : deadline,
    weight: usableWeight(route.weight),
    priority: route.priority,
    share,
    holds: holdsOf(route, input),
    keys: route.keys.map(({ id }) => {
      const state = view.key(id);
      const until = keyDeadline(state);
      return { id, status: keyStatus(state, now), until: until > now ? until : null };
    }),
  };
}

function holdsOf(route: Route, { view, now }: PlaceInput): readonly Hold[] {
  const holds: Hold[] = [];
  if (view.health(route.providerId)?.isHealthy === false) holds.push("unhealthy");
  const state = view.association(route.associationId);
  if (state === undefined) return holds;
  if (state.cooldown !== null) holds.push(state.cooldown.until > now ? "cooling" : "cooldown_over");
  const phase = route.breaker ? breakerPhase(state.breaker, now) : "closed";
  if (phase === "open") holds.push("breaker_open");
  if (phase === "half_open") holds.push("breaker_half_open");
  if (state.trials > 0) holds.push("trial_under_way");
  return holds;
}

function name({ associationId, providerId, providerName, providerModel }: Route) {
  return { associationId, providerId, providerName, providerModel };
}
