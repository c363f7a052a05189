import assert from "node:assert/strict";
import fc from "fast-check";
import { STRATEGIES } from "../../src/failover/balance.ts";
import type { Route } from "../../src/failover/candidates.ts";
import { afterAttempt, emptyWalk, type Pick, step, type Walk } from "../../src/failover/decide.ts";
import { explain } from "../../src/failover/explain.ts";
import { comparePriority, firstInLine, place, type Placement } from "../../src/failover/tiers.ts";
import { NEED, NOW, route, SampleView, seeded, stepInput, verdict } from "./samples.ts";

function placement(given: Route): Placement {
  const found = place(given, emptyWalk, { view: new SampleView(), now: NOW, trialUnhealthy: false });
  assert.ok(found !== null);
  return found;
}

/** Who is tried when every attempt fails for good, in order. */
function walked(routes: readonly Route[], view = new SampleView(), strategy = "lottery", seed = 1): Pick[] {
  const random = seeded(seed);
  const picks: Pick[] = [];
  let walk: Walk = emptyWalk;
  for (;;) {
    const next = step(walk, stepInput(routes, { view, strategy, random, sessionId: "s" }));
    if (next.type !== "attempt") return picks;
    picks.push(next.pick);
    walk = afterAttempt(walk, next.pick, verdict("no_model"), false);
  }
}

const ids = (picks: readonly Pick[]) => picks.map((pick) => pick.route.associationId);

Deno.test("firstInLine() keeps those of the highest priority, in their order", () => {
  const [one, two, three, four] = [5, 9, 9, -3].map((priority, i) => placement(route(i + 1, { priority })));
  assert.ok(one && two && three && four);
  assert.deepEqual(firstInLine([one, two, three, four]), [two, three]);
  assert.deepEqual(firstInLine([four]), [four]);
  assert.ok(comparePriority(two, one) < 0 && comparePriority(two, three) === 0);
});

for (const strategy of STRATEGIES) {
  Deno.test(`step() by ${strategy} takes the higher priority first, whatever the weights`, () => {
    const routes = [
      route(1, { weight: 1_000 }),
      route(2, { weight: 1, priority: 5 }),
      route(3, { weight: 1_000, priority: -1 }),
    ];
    assert.deepEqual(ids(walked(routes, new SampleView(), strategy)), [2, 1, 3]);
  });
}

Deno.test("step() balances by the strategy within one priority", () => {
  const routes = [
    route(1, { weight: 3, priority: 2 }),
    route(2, { weight: 1, priority: 2 }),
    route(3, { weight: 9 }),
  ];
  const random = seeded(5);
  let firsts = 0;
  for (let i = 0; i < 10_000; i++) {
    const next = step(emptyWalk, stepInput(routes, { strategy: "lottery", random }));
    assert.ok(next.type === "attempt" && next.pick.route.priority === 2);
    if (next.pick.route.associationId === 1) firsts++;
  }
  assert.ok(Math.abs(firsts / 10_000 - 0.75) <= 0.02, String(firsts));
});

Deno.test("step() takes weight 0 of a higher priority before any lower one, and after its equals with weight", () => {
  const routes = [route(1, { weight: 5 }), route(2, { weight: 0, priority: 1 }), route(3, { priority: 1 })];
  assert.deepEqual(ids(walked(routes)), [3, 2, 1]);
});

Deno.test("step() goes down all priorities that are ready before it tries one that cools", () => {
  const view = new SampleView().withCooling(1, NOW + 60_000).withCooling(2, NOW + 90_000).withUnhealthy(
    3,
    NOW + 1,
  );
  const routes = [
    route(1),
    route(2, { priority: 8 }),
    route(3, { priority: 9 }),
    route(4, { priority: -9 }),
    route(5, { priority: -8 }),
  ];
  assert.deepEqual(ids(walked(routes, view)), [5, 4, 2, 1, 3]);
});

Deno.test("step() gives the next key of a provider before a lower priority", () => {
  const keys = [{ id: "a", weight: 1 }, { id: "b", weight: 1 }];
  const routes = [route(1), route(2, { priority: 1, keys })];
  let walk: Walk = emptyWalk;
  const tried: number[] = [];
  for (let i = 0; i < 3; i++) {
    const next = step(walk, stepInput(routes));
    assert.ok(next.type === "attempt");
    tried.push(next.pick.route.associationId);
    walk = afterAttempt(walk, next.pick, verdict("rate_limit"), false);
  }
  assert.deepEqual(tried, [2, 2, 1]);
});

Deno.test("explain() gives lower priorities no share and puts them after the higher ones", () => {
  const routes = [route(1, { weight: 9 }), route(2, { priority: 3 }), route(3, { weight: 3, priority: 3 })];
  const input = {
    view: new SampleView(),
    now: NOW,
    trialUnhealthy: false,
    strategy: "lottery",
    sessionId: null,
  };
  assert.deepEqual(
    explain(routes, NEED, input).candidates.map((each) => [each.associationId, each.priority, each.share]),
    [[3, 3, 0.75], [2, 3, 0.25], [1, 0, 0]],
  );
});

const anyRoutes = fc.array(
  fc.record({
    weight: fc.constantFrom(0, 1, 7),
    priority: fc.integer({ min: -2, max: 2 }),
    cooling: fc.option(fc.integer({ min: 1, max: 3 })),
    unhealthy: fc.boolean(),
  }),
  { minLength: 1, maxLength: 7 },
);
const TIERS = ["ready", "cooling", "unhealthy"];

Deno.test("no walk ever goes from a worse tier to a better one, nor up the priorities within a tier", () => {
  fc.assert(fc.property(fc.constantFrom(...STRATEGIES), anyRoutes, fc.nat(), (strategy, given, seed) => {
    const view = new SampleView();
    const routes = given.map(({ weight, priority, cooling, unhealthy }, i) => {
      if (cooling !== null) view.withCooling(i + 1, NOW + cooling);
      if (unhealthy) view.withUnhealthy(i + 1, NOW + 1);
      return route(i + 1, { weight, priority });
    });
    const picks = walked(routes, view, strategy, seed);
    assert.equal(picks.length, routes.length);
    for (const [i, pick] of picks.entries()) {
      const before = picks[i - 1];
      if (before === undefined) continue;
      const down = TIERS.indexOf(pick.tier) - TIERS.indexOf(before.tier);
      assert.ok(down >= 0);
      if (down === 0) assert.ok(pick.route.priority <= before.route.priority);
    }
    const plan = explain(routes, NEED, { view, now: NOW, trialUnhealthy: false, strategy, sessionId: "s" });
    assert.deepEqual(
      plan.candidates.map(({ tier, priority }) => [tier, priority]),
      picks.map(({ tier, route }) => [tier, route.priority]),
    );
    const [first] = plan.candidates;
    for (const { share, tier, priority } of plan.candidates) {
      if (share > 0) assert.deepEqual([tier, priority], [first?.tier, first?.priority]);
    }
    assert.ok(Math.abs(plan.candidates.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9);
  }));
});

Deno.test("equal priorities of any size are as none: the walk is the same", () => {
  fc.assert(fc.property(fc.constantFrom(...STRATEGIES), anyRoutes, fc.nat(), (strategy, given, seed) => {
    const of = (priority: number) =>
      ids(
        walked(given.map(({ weight }, i) => route(i + 1, { weight, priority })), undefined, strategy, seed),
      );
    assert.deepEqual(of(1000), of(0));
  }));
});
