/** Balance: which of several candidates that are all ready. @module */

import type { Route, StateView } from "./candidates.ts";
import { nextTurn, type Rotation } from "./rotation.ts";
import { stickTo } from "./sticky.ts";
import { draw, sharesOf } from "./weight.ts";

/** The strategies of a model. */
export const STRATEGIES = [
  "lottery",
  "rotor",
  "round_robin",
  "least_used",
  "least_busy",
  "fastest",
  "sticky",
] as const;

/** How a model's requests are spread. */
export type Strategy = (typeof STRATEGIES)[number];

/** The part of `fastest`'s choices that goes to the others, so that a slow one can show that it is fast again. */
export const EXPLORATION = 0.1;

/** The strategy of a stored name: rows of older programs may hold anything, which acts as `lottery`. */
export function strategyOf(name: string): Strategy {
  return STRATEGIES.find((strategy) => strategy === name) ?? "lottery";
}

/** What a choice depends on. */
export interface BalanceInput {
  readonly view: StateView;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  /** What `sticky` sticks to; without one it draws. */
  readonly sessionId: string | null;
}

/** The choice. */
export interface ChosenRoute {
  /** Index into the routes. */
  readonly index: number;
  /** The turns after it, where the strategy keeps turns. */
  readonly rotation?: Rotation<number>;
}

/** Chooses among at least one route. One without weight is chosen only when none with weight is there. */
export function chooseRoute(strategy: string, routes: readonly Route[], input: BalanceInput): ChosenRoute {
  if (strategy === "round_robin") return takeTurn(routes, sharesOf(routes.map(weightOf)), input.view);
  return { index: draw(chances(strategy, routes, input), input.random) };
}

/**
 * The probability of each route to be the next one chosen; they add up to 1. The choice draws from this very list, so an
 * explanation cannot differ from what happens.
 */
export function chances(
  strategy: string,
  routes: readonly Route[],
  input: Omit<BalanceInput, "random">,
): readonly number[] {
  const { view, sessionId } = input;
  const shares = sharesOf(routes.map(weightOf));
  switch (strategyOf(strategy)) {
    case "lottery":
      return shares;
    case "rotor":
      return amongLeast(routes.map((_, i) => -(shares[i] ?? 0)), shares);
    case "round_robin":
      return certain(takeTurn(routes, shares, view).index, routes.length);
    case "least_used":
      return amongLeast(routes.map((route) => view.association(route.associationId)?.usedToday ?? 0), shares);
    case "least_busy":
      return amongLeast(
        routes.map((route, i) => (view.association(route.associationId)?.inFlight ?? 0) / (shares[i] ?? 0)),
        shares,
      );
    case "fastest":
      return fastest(routes, shares, view);
    case "sticky":
      if (sessionId === null) return shares;
      return certain(stickTo(sessionId, routes.map((route) => route.associationId), shares), routes.length);
  }
}

function weightOf(route: Route): number {
  return route.weight;
}

function certain(index: number, length: number): readonly number[] {
  return Array.from({ length }, (_, i) => i === index ? 1 : 0);
}

/** By share among those with the least cost. Those without a share have no part. */
function amongLeast(costs: readonly number[], shares: readonly number[]): readonly number[] {
  let least = Infinity;
  for (const [i, share] of shares.entries()) if (share > 0) least = Math.min(least, costs[i] ?? Infinity);
  return sharesOf(shares.map((share, i) => costs[i] === least ? share : 0));
}

function takeTurn(routes: readonly Route[], shares: readonly number[], view: StateView): ChosenRoute {
  const ids: number[] = [];
  const weighted: number[] = [];
  const portions: number[] = [];
  let modelId = 0;
  for (const [i, route] of routes.entries()) {
    const share = shares[i] ?? 0;
    if (share <= 0) continue;
    modelId = route.modelId;
    ids.push(route.associationId);
    weighted.push(i);
    portions.push(share);
  }
  const turn = nextTurn(view.rotation(modelId), ids, portions);
  return { index: weighted[turn.index] ?? 0, rotation: turn.rotation };
}

function fastest(routes: readonly Route[], shares: readonly number[], view: StateView): readonly number[] {
  let best = -1;
  let leastMs = Infinity;
  for (const [i, route] of routes.entries()) {
    const ttftMs = view.association(route.associationId)?.ttftMs ?? Infinity;
    if ((shares[i] ?? 0) > 0 && ttftMs < leastMs) {
      leastMs = ttftMs;
      best = i;
    }
  }
  // Nothing is measured yet: by weight. An unmeasured one beside a measured one is met by exploration.
  if (best < 0) return shares;
  const others = shares.map((share, i) => i === best ? 0 : share);
  if (!others.some((share) => share > 0)) return certain(best, routes.length);
  return sharesOf(others).map((share, i) => i === best ? 1 - EXPLORATION : share * EXPLORATION);
}
