/** Balance: which of several candidates that are all ready. @module */

import type { Route, StateView } from "./candidates.ts";
import { nextTurn, type Rotation, type Turn } from "./rotation.ts";
import { stickTo } from "./sticky.ts";
import { draw, type Lot, lotsOf } from "./weight.ts";

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

/** What is chosen from: anything that leads to a route. */
export interface Candidate {
  readonly route: Route;
}

/** The choice. */
export interface Chosen<C> {
  readonly item: C;
  /** The turns after it, where the strategy keeps turns. */
  readonly rotation?: Rotation<number>;
}

/** Chooses one. One without weight is chosen only when none with weight is there. */
export function chooseCandidate<C extends Candidate>(
  strategy: string,
  candidates: readonly [C, ...C[]],
  input: BalanceInput,
): Chosen<C> {
  const [first] = candidates;
  if (candidates.length === 1) return { item: first };
  if (strategy === "round_robin") return takeTurn(first, lotsOf(candidates, weightOf), input.view);
  return { item: draw(first, chances(strategy, candidates, input), input.random) };
}

/**
 * The probability of each candidate to be the next one chosen. The choice draws from this very list, so an explanation
 * cannot differ from what happens.
 */
export function chances<C extends Candidate>(
  strategy: string,
  candidates: readonly [C, ...C[]],
  { view, sessionId }: Omit<BalanceInput, "random">,
): readonly Lot<C>[] {
  const [first] = candidates;
  const lots = lotsOf(candidates, weightOf);
  switch (strategyOf(strategy)) {
    case "lottery":
      return lots;
    case "rotor":
      return amongLeast(lots, ({ share }) => -share);
    case "round_robin":
      return certain(lots, takeTurn(first, lots, view).item);
    case "least_used":
      return amongLeast(lots, ({ item }) => view.association(idOf(item))?.usedToday ?? 0);
    case "least_busy":
      return amongLeast(lots, ({ item, share }) => (view.association(idOf(item))?.inFlight ?? 0) / share);
    case "fastest":
      return fastest(lots, view);
    case "sticky":
      return sessionId === null ? lots : certain(lots, stickTo(first, lots, idOf, sessionId));
  }
}

function weightOf({ route }: Candidate): number {
  return route.weight;
}

function idOf({ route }: Candidate): number {
  return route.associationId;
}

function certain<C>(lots: readonly Lot<C>[], chosen: C): readonly Lot<C>[] {
  return lots.map(({ item }) => ({ item, share: item === chosen ? 1 : 0 }));
}

/** By share among those with the least cost. Those without a share have no part. */
function amongLeast<C>(lots: readonly Lot<C>[], costOf: (lot: Lot<C>) => number): readonly Lot<C>[] {
  let least = Infinity;
  for (const lot of lots) if (lot.share > 0) least = Math.min(least, costOf(lot));
  let total = 0;
  for (const lot of lots) if (costOf(lot) === least) total += lot.share;
  return lots.map((lot) => ({ item: lot.item, share: costOf(lot) === least ? lot.share / total : 0 }));
}

function takeTurn<C extends Candidate>(first: C, lots: readonly Lot<C>[], view: StateView): Turn<C, number> {
  return nextTurn(first, lots, idOf, view.rotation(first.route.modelId));
}

function fastest<C extends Candidate>(lots: readonly Lot<C>[], view: StateView): readonly Lot<C>[] {
  let best: Lot<C> | null = null;
  let leastMs = Infinity;
  for (const lot of lots) {
    const ttftMs = view.association(idOf(lot.item))?.ttftMs ?? Infinity;
    if (lot.share > 0 && ttftMs < leastMs) {
      leastMs = ttftMs;
      best = lot;
    }
  }
  // Nothing is measured yet: by weight. An unmeasured one beside a measured one is met by exploration.
  if (best === null) return lots;
  const others = lots.reduce((sum, lot) => lot === best ? sum : sum + lot.share, 0);
  if (others <= 0) return certain(lots, best.item);
  return lots.map((lot) => {
    const share = lot === best ? 1 - EXPLORATION : lot.share / others * EXPLORATION;
    return { item: lot.item, share };
  });
}
