import assert from "node:assert/strict";
import { breakerAfterFailure, CLOSED_BREAKER } from "../../src/failover/breaker.ts";
import type { Route, StateView } from "../../src/failover/candidates.ts";
import { emptyWalk } from "../../src/failover/decide.ts";
import { isKeyOnTrial, place, type PlaceInput, type Tier } from "../../src/failover/tiers.ts";
import { NOW, route, SampleView } from "./samples.ts";

function input(view: StateView, fields: Partial<PlaceInput> = {}): PlaceInput {
  return { view, now: NOW, trialUnhealthy: false, ...fields };
}

function placed(view: SampleView, given: Route = route(1), fields: Partial<PlaceInput> = {}) {
  const placement = place(given, emptyWalk, input(view, fields));
  assert.ok(placement !== null);
  return placement;
}

function expectPlace(
  actual: { tier: Tier; trial: boolean; deadline: number },
  tier: Tier,
  trial: boolean,
  deadline: number,
): void {
  assert.deepEqual({ tier: actual.tier, trial: actual.trial, deadline: actual.deadline }, {
    tier,
    trial,
    deadline,
  });
}

const OPEN = [1, 2, 3, 4, 5].reduce(
  (breaker) => breakerAfterFailure(breaker, NOW - 10, NOW - 10),
  CLOSED_BREAKER,
);
const OPEN_UNTIL = NOW - 10 + 60_000;
const TWO_KEYS = route(1, { keys: [{ id: "a", weight: 1 }, { id: "b", weight: 1 }] });
const cooling = (until: number) => ({ until, setAt: NOW - 1_000, hits: 1 });

Deno.test("place() takes what nobody knows as ready", () => {
  expectPlace(placed(new SampleView()), "ready", false, 0);
  expectPlace(placed(new SampleView().withAssociation(1, {})), "ready", false, 0);
});

Deno.test("place() puts a cooling association into the second tier, until its deadline", () => {
  expectPlace(placed(new SampleView().withCooling(1, NOW + 5_000)), "cooling", false, NOW + 5_000);
});

Deno.test("place() puts an association on trial when its pause is over, for one request at a time", () => {
  const view = new SampleView().withCooling(1, NOW);
  expectPlace(placed(view), "ready", true, 0);
  view.withAssociation(1, { cooldown: cooling(NOW), trials: 1 });
  expectPlace(placed(view), "cooling", false, NOW);
});

Deno.test("place() holds an open breaker in the second tier, and gives a half-open one on trial", () => {
  const view = new SampleView().withAssociation(1, { breaker: OPEN });
  expectPlace(placed(view), "cooling", false, OPEN_UNTIL);
  expectPlace(placed(view, route(1), { now: OPEN_UNTIL }), "ready", true, 0);
  view.withAssociation(1, { breaker: OPEN, trials: 1 });
  expectPlace(placed(view, route(1), { now: OPEN_UNTIL }), "cooling", false, OPEN_UNTIL);
});

Deno.test("place() ignores a breaker that the operator has switched off meanwhile", () => {
  const view = new SampleView().withAssociation(1, { breaker: OPEN });
  expectPlace(placed(view, route(1, { breaker: false })), "ready", false, 0);
});

Deno.test("place() waits for the later of pause and breaker", () => {
  const view = new SampleView().withAssociation(1, { breaker: OPEN, cooldown: cooling(NOW + 90_000) });
  expectPlace(placed(view), "cooling", false, NOW + 90_000);
});

Deno.test("place() keeps an unhealthy provider in the last tier until a probe brings it back", () => {
  const view = new SampleView().withUnhealthy(1, NOW - 1);
  expectPlace(placed(view), "unhealthy", false, NOW - 1);
  expectPlace(placed(new SampleView().withUnhealthy(1, null)), "unhealthy", false, 0);
});

Deno.test("place() puts an unhealthy provider on trial when its time has come and nobody probes", () => {
  const withoutSweep = { trialUnhealthy: true };
  expectPlace(placed(new SampleView().withUnhealthy(1, NOW), route(1), withoutSweep), "ready", true, 0);
  expectPlace(
    placed(new SampleView().withUnhealthy(1, NOW + 1), route(1), withoutSweep),
    "unhealthy",
    false,
    NOW + 1,
  );
  const known = new SampleView().withUnhealthy(1, NOW).withAssociation(1, {});
  expectPlace(placed(known, route(1), withoutSweep), "ready", true, 0);
  known.withAssociation(1, { trials: 1 });
  expectPlace(placed(known, route(1), withoutSweep), "unhealthy", false, NOW);
});

Deno.test("place() cools a provider with its soonest key when all its keys are cooling", () => {
  const view = new SampleView()
    .withKey("a", { cooldown: cooling(NOW + 9_000) })
    .withKey("b", { cooldown: cooling(NOW + 4_000) });
  const placement = placed(view, TWO_KEYS);
  expectPlace(placement, "cooling", false, NOW + 4_000);
  assert.deepEqual(placement.keys.map((key) => key.id), ["b"]);
});

Deno.test("place() stays ready with the keys that are usable: a bad key takes out the key, not the provider", () => {
  const view = new SampleView().withKey("a", { badUntil: NOW + 9_000, badSince: NOW, refusals: 1 });
  const placement = placed(view, TWO_KEYS);
  expectPlace(placement, "ready", false, 0);
  assert.deepEqual(placement.keys.map((key) => key.id), ["b"]);
});

Deno.test("place() puts a provider into the last tier when all its keys are bad", () => {
  const view = new SampleView()
    .withKey("a", { badUntil: NOW + 9_000, badSince: NOW, refusals: 1 })
    .withKey("b", { badUntil: NOW + 5_000, badSince: NOW, refusals: 1 });
  const placement = placed(view, TWO_KEYS);
  expectPlace(placement, "unhealthy", false, NOW + 5_000);
  assert.deepEqual(placement.keys.map((key) => key.id), ["b"]);
});

Deno.test("place() prefers a cooling key to a bad one, whatever their deadlines", () => {
  const view = new SampleView()
    .withKey("a", { badUntil: NOW + 1_000, badSince: NOW, refusals: 1 })
    .withKey("b", { cooldown: cooling(NOW + 9_000) });
  expectPlace(placed(view, TWO_KEYS), "cooling", false, NOW + 9_000);
  const other = route(1, { keys: TWO_KEYS.keys.toReversed() });
  expectPlace(placed(view, other), "cooling", false, NOW + 9_000);
});

Deno.test("place() takes a key whose pause is over, unless a trial of it is under way", () => {
  const view = new SampleView().withKey("k1", { cooldown: cooling(NOW) });
  expectPlace(placed(view), "ready", false, 0);
  assert.equal(isKeyOnTrial({ id: "k1", weight: 1 }, input(view)), true);
  view.withKey("k1", { cooldown: cooling(NOW), trials: 1 });
  expectPlace(placed(view), "cooling", false, NOW);
});

Deno.test("place() gives all usable keys of a ready route", () => {
  assert.deepEqual(placed(new SampleView(), TWO_KEYS).keys.map((key) => key.id), ["a", "b"]);
});

Deno.test("place() gives nothing for a route without keys", () => {
  assert.equal(place(route(1, { keys: [] }), emptyWalk, input(new SampleView())), null);
});
