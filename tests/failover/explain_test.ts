import assert from "node:assert/strict";
import fc from "fast-check";
import { STRATEGIES } from "../../src/failover/balance.ts";
import { breakerAfterFailure, CLOSED_BREAKER } from "../../src/failover/breaker.ts";
import { afterAttempt, emptyWalk, step } from "../../src/failover/decide.ts";
import { explain, type ExplainInput } from "../../src/failover/explain.ts";
import { NEED, NOW, route, SampleView, stepInput, verdict } from "./samples.ts";

function input(view = new SampleView(), fields: Partial<ExplainInput> = {}): ExplainInput {
  return { view, now: NOW, trialUnhealthy: false, strategy: "lottery", sessionId: null, ...fields };
}

const OPEN = [1, 2, 3, 4, 5].reduce(
  (breaker) => breakerAfterFailure(breaker, NOW - 9, NOW - 9),
  CLOSED_BREAKER,
);

Deno.test("explain() gives the expected share of each ready candidate, the likeliest first", () => {
  const { candidates } = explain([route(1, { weight: 1 }), route(2, { weight: 3 })], NEED, input());
  assert.deepEqual(candidates.map((each) => [each.associationId, each.share, each.weight]), [[2, 0.75, 3], [
    1,
    0.25,
    1,
  ]]);
  assert.equal(candidates[0]?.until, null);
});

Deno.test("explain() shows who is not tried, and why", () => {
  const plan = explain(
    [route(1), route(2, { enabled: false }), route(3, { protocol: "gemini" })],
    NEED,
    input(),
  );
  assert.deepEqual(plan.candidates.map((each) => each.associationId), [1]);
  assert.deepEqual(plan.excluded.map((each) => [each.associationId, each.reason]), [[2, "off"], [
    3,
    "protocol",
  ]]);
  assert.equal(plan.noRoute, null);
});

Deno.test("explain() says why nobody can serve", () => {
  const plan = explain([route(2, { enabled: false })], NEED, input());
  assert.deepEqual(plan.candidates, []);
  assert.equal(plan.noRoute, "all_off");
});

Deno.test("explain() shows tiers in their order with deadlines and what holds each back", () => {
  const view = new SampleView()
    .withCooling(1, NOW + 5_000)
    .withAssociation(2, { breaker: OPEN })
    .withUnhealthy(3, NOW + 9_000)
    .withAssociation(4, { cooldown: { until: NOW - 1, setAt: NOW - 9, hits: 1 }, trials: 1 });
  const { candidates } = explain([1, 2, 3, 4, 5].map((id) => route(id)), NEED, input(view));
  assert.deepEqual(
    candidates.map((
      { associationId, tier, until, holds, share },
    ) => [associationId, tier, until, holds, share]),
    [
      [5, "ready", null, [], 1],
      [4, "cooling", NOW - 1, ["cooldown_over", "trial_under_way"], 0],
      [1, "cooling", NOW + 5_000, ["cooling"], 0],
      [2, "cooling", NOW - 9 + 60_000, ["breaker_open"], 0],
      [3, "unhealthy", NOW + 9_000, ["unhealthy"], 0],
    ],
  );
});

Deno.test("explain() shows a half-open breaker as a trial, and none when the breaker is off", () => {
  const view = new SampleView().withAssociation(1, { breaker: OPEN });
  const at = (breaker: boolean) =>
    explain([route(1, { breaker })], NEED, input(view, { now: NOW + 60_000 })).candidates[0];
  assert.deepEqual([at(true)?.trial, at(true)?.holds], [true, ["breaker_half_open"]]);
  assert.deepEqual([at(false)?.trial, at(false)?.holds], [false, []]);
});

Deno.test("explain() gives the whole share to the first in line when nobody is ready", () => {
  const view = new SampleView().withCooling(1, NOW + 5_000).withCooling(2, NOW + 1_000);
  const { candidates } = explain([route(1), route(2)], NEED, input(view));
  assert.deepEqual(candidates.map((each) => [each.associationId, each.share]), [[2, 1], [1, 0]]);
});

Deno.test("explain() shows the keys with their states", () => {
  const view = new SampleView()
    .withKey("a", { cooldown: { until: NOW + 3_000, setAt: NOW, hits: 1 } })
    .withKey("b", { badUntil: NOW - 1, badSince: NOW - 9, refusals: 1 });
  const keys = ["a", "b", "c"].map((id) => ({ id, weight: 1 }));
  assert.deepEqual(explain([route(1, { keys })], NEED, input(view)).candidates[0]?.keys, [
    { id: "a", status: "cooling", until: NOW + 3_000 },
    { id: "b", status: "trial", until: null },
    { id: "c", status: "usable", until: null },
  ]);
});

Deno.test("explain() orders as step() walks, for every strategy whose choice is certain", () => {
  const strategies = fc.constantFrom("rotor", "least_used", "least_busy", "sticky");
  const given = fc.uniqueArray(
    fc.record({
      weight: fc.integer({ min: 1, max: 99 }),
      used: fc.nat(99),
      cooling: fc.option(fc.integer({ min: 1, max: 999 })),
    }),
    {
      minLength: 1,
      maxLength: 6,
      comparator: (a, b) =>
        a.weight === b.weight || a.used === b.used || a.cooling === b.cooling && a.cooling !== null,
    },
  );
  fc.assert(fc.property(strategies, given, (strategy, states) => {
    const view = new SampleView();
    const routes = states.map(({ weight, used, cooling }, i) => {
      const cooldown = cooling === null ? null : { until: NOW + cooling, setAt: NOW - 9, hits: 1 };
      view.withAssociation(i + 1, { usedToday: used, inFlight: used, cooldown });
      return route(i + 1, { weight });
    });
    let walk = emptyWalk;
    const walked: number[] = [];
    for (;;) {
      const next = step(walk, stepInput(routes, { view, strategy, sessionId: "s", random: () => 0 }));
      if (next.type !== "attempt") break;
      walked.push(next.pick.route.associationId);
      walk = afterAttempt(walk, next.pick, verdict("no_model"), false);
    }
    const plan = explain(routes, NEED, input(view, { strategy, sessionId: "s" }));
    // Equal loads per weight are a draw, which has no order to compare.
    if (strategy !== "least_busy") {
      assert.deepEqual(plan.candidates.map((each) => each.associationId), walked);
    }
    assert.equal(plan.candidates.length, walked.length);
  }));
});

Deno.test("explain() adds the shares up to 1 whenever there is a candidate", () => {
  const weights = fc.array(fc.constantFrom(0, 1, 5, NaN, 1e308), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(
      fc.constantFrom(...STRATEGIES),
      weights,
      fc.option(fc.string()),
      (strategy, given, sessionId) => {
        const routes = given.map((weight, i) => route(i + 1, { weight }));
        const { candidates } = explain(routes, NEED, input(new SampleView(), { strategy, sessionId }));
        assert.ok(Math.abs(candidates.reduce((sum, each) => sum + each.share, 0) - 1) < 1e-9);
      },
    ),
  );
});
