import assert from "node:assert/strict";
import fc from "fast-check";
import { chances, chooseCandidate, EXPLORATION, STRATEGIES, strategyOf } from "../../src/failover/balance.ts";
import type { Route } from "../../src/failover/candidates.ts";
import { route, SampleView, seeded } from "./samples.ts";

interface Sample {
  readonly route: Route;
}

function samples(weights: readonly number[]): [Sample, ...Sample[]] {
  const [first = 0, ...others] = weights;
  return [
    { route: route(1, { weight: first }) },
    ...others.map((weight, i) => ({ route: route(i + 2, { weight }) })),
  ];
}

/** Ids of the associations chosen in a row, with turns stored as the gateway stores them. */
function picks(
  strategy: string,
  weights: readonly number[],
  count: number,
  sessionOf: (i: number) => string | null = (i) => `s${i}`,
  view = new SampleView(),
): number[] {
  const random = seeded(7);
  const candidates = samples(weights);
  return Array.from({ length: count }, (_, i) => {
    const chosen = chooseCandidate(strategy, candidates, { view, random, sessionId: sessionOf(i) });
    if (chosen.rotation !== undefined) view.rotations.set(1, chosen.rotation);
    return chosen.item.route.associationId;
  });
}

/** How often each of the candidates with these weights is chosen in 10,000 picks, as a part of all. */
function ratios(strategy: string, weights: readonly number[], view?: SampleView): number[] {
  const chosen = picks(strategy, weights, 10_000, undefined, view);
  return weights.map((_, i) => chosen.filter((id) => id === i + 1).length / 10_000);
}

function near(actual: readonly number[], expected: readonly number[]): void {
  assert.equal(actual.length, expected.length);
  for (const [i, part] of actual.entries()) {
    assert.ok(Math.abs(part - (expected[i] ?? NaN)) <= 0.02, `${actual} is not within 2 % of ${expected}`);
  }
}

for (const strategy of ["lottery", "round_robin", "sticky"]) {
  Deno.test(`chooseCandidate() by ${strategy} keeps the ratio of the weights within 2 % over 10,000 picks`, () => {
    near(ratios(strategy, [3, 1]), [0.75, 0.25]);
    near(ratios(strategy, [5, 3, 2]), [0.5, 0.3, 0.2]);
    near(ratios(strategy, [1e308, 1e308]), [0.5, 0.5]);
    near(ratios(strategy, [0.5, 1.5]), [0.25, 0.75]);
  });
}

for (const strategy of STRATEGIES) {
  Deno.test(`chooseCandidate() by ${strategy} gives nothing to weight 0 while another has weight`, () => {
    near(ratios(strategy, [0, 1]), [0, 1]);
    near(ratios(strategy, [NaN, 1, -4]), [0, 1, 0]);
  });

  Deno.test(`chooseCandidate() by ${strategy} takes the only one`, () => {
    assert.deepEqual(ratios(strategy, [0]), [1]);
  });
}

for (const strategy of ["lottery", "rotor", "round_robin", "sticky", "least_busy", "least_used", "fastest"]) {
  Deno.test(`chooseCandidate() by ${strategy} spreads evenly when no candidate has weight`, () => {
    near(ratios(strategy, [0, 0]), [0.5, 0.5]);
  });
}

Deno.test("strategyOf() takes unknown names as lottery", () => {
  assert.equal(strategyOf("rotor"), "rotor");
  for (const name of ["", "LOTTERY", "priority", "toString"]) assert.equal(strategyOf(name), "lottery");
  near(ratios("no such strategy", [3, 1]), [0.75, 0.25]);
});

Deno.test("chooseCandidate() by rotor takes the highest weight, and draws among equals", () => {
  near(ratios("rotor", [1, 9, 3]), [0, 1, 0]);
  near(ratios("rotor", [9, 9, 3]), [0.5, 0.5, 0]);
});

Deno.test("chooseCandidate() by least_used takes the one with the fewest requests today, and draws by weight among equals", () => {
  const view = new SampleView().withAssociation(1, { usedToday: 2 }).withAssociation(2, { usedToday: 1 });
  near(ratios("least_used", [9, 1], view), [0, 1]);
  near(ratios("least_used", [3, 1]), [0.75, 0.25]);
});

Deno.test("chooseCandidate() by least_busy weighs the requests in flight, and draws by weight when all are idle", () => {
  const view = new SampleView().withAssociation(1, { inFlight: 2 }).withAssociation(2, { inFlight: 1 });
  near(ratios("least_busy", [3, 1], view), [1, 0]);
  near(ratios("least_busy", [1, 1], view), [0, 1]);
  near(ratios("least_busy", [3, 1]), [0.75, 0.25]);
});

Deno.test("chooseCandidate() by fastest takes the lowest time to first token and explores the others by weight", () => {
  const view = new SampleView().withAssociation(1, { ttftMs: 900 }).withAssociation(2, { ttftMs: 100 });
  near(ratios("fastest", [1, 1, 3], view), [EXPLORATION / 4, 1 - EXPLORATION, EXPLORATION * 3 / 4]);
});

Deno.test("chooseCandidate() by fastest goes by weight until something is measured", () => {
  near(ratios("fastest", [3, 1]), [0.75, 0.25]);
});

Deno.test("chooseCandidate() by fastest explores nobody when only one has weight", () => {
  const view = new SampleView().withAssociation(1, { ttftMs: 900 });
  near(ratios("fastest", [1, 0], view), [1, 0]);
});

Deno.test("chooseCandidate() by sticky keeps a session, and draws without one", () => {
  assert.equal(new Set(picks("sticky", [1, 1, 1], 20, () => "s")).size, 1);
  assert.equal(new Set(picks("sticky", [1, 1, 1], 50, () => null)).size, 3);
});

Deno.test("chooseCandidate() by round_robin takes turns", () => {
  assert.deepEqual(picks("round_robin", [2, 1, 0], 6), [1, 2, 1, 1, 2, 1]);
});

Deno.test("chances() of round_robin are certain: the next turn is known", () => {
  const odds = chances("round_robin", samples([1, 3]), { view: new SampleView(), sessionId: null });
  assert.deepEqual(odds.map((lot) => lot.share), [0, 1]);
});

Deno.test("chances() add up to 1 for every strategy, any weights and any state", () => {
  const state = fc.record({
    weight: fc.double(),
    usedToday: fc.nat(9),
    inFlight: fc.nat(9),
    ttftMs: fc.option(fc.nat(9)),
  });
  const strategies = fc.constantFrom(...STRATEGIES);
  const states = fc.array(state, { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(strategies, states, fc.option(fc.string()), (strategy, given, sessionId) => {
    const view = new SampleView();
    for (const [i, { weight: _, ...rest }] of given.entries()) view.withAssociation(i + 1, rest);
    const candidates = samples(given.map((each) => each.weight));
    const odds = chances(strategy, candidates, { view, sessionId });
    assert.ok(Math.abs(odds.reduce((sum, lot) => sum + lot.share, 0) - 1) < 1e-9);
    const hasWeight = candidates.some(({ route }) => route.weight > 0);
    for (const { item, share } of odds) {
      assert.ok(share >= 0 && share <= 1);
      if (hasWeight && !(item.route.weight > 0)) assert.equal(share, 0);
    }
  }));
});
