import assert from "node:assert/strict";
import { breakerPhase, CLOSED_BREAKER } from "../../src/failover/breaker.ts";
import {
  associationAfter,
  associationEnded,
  associationMeasured,
  associationStarted,
  type AssociationState,
  associationTrialOver,
  NEW_ASSOCIATION,
} from "../../src/failover/state.ts";
import type { Verdict } from "../../src/failover/verdict.ts";
import { NOW, verdict } from "./samples.ts";

function after(state: AssociationState, result: Verdict | null, at = NOW, breaker = true): AssociationState {
  return associationAfter(state, result, { startedAt: at, breaker }, at);
}

function afterAll(results: readonly (Verdict | null)[]): AssociationState {
  return results.reduce<AssociationState>((state, result) => after(state, result), NEW_ASSOCIATION);
}

const FAILURE = verdict("server");

Deno.test("associationAfter() opens the breaker with five failures in a row", () => {
  assert.equal(breakerPhase(afterAll(new Array(5).fill(FAILURE)).breaker, NOW), "open");
});

Deno.test("associationAfter() counts failures in a row: a success in between clears them", () => {
  const state = afterAll([FAILURE, FAILURE, FAILURE, FAILURE, null, FAILURE, FAILURE, FAILURE, FAILURE]);
  assert.equal(breakerPhase(state.breaker, NOW), "closed");
});

for (
  const neutral of [
    "rate_limit",
    "caller_fault",
    "client_gone",
    "gateway_fault",
    "credential",
    "quota",
    "no_model",
  ] as const
) {
  Deno.test(`associationAfter() neither adds nor clears failures for ${neutral}`, () => {
    const state = afterAll([FAILURE, FAILURE, FAILURE, FAILURE, verdict(neutral)]);
    assert.equal(state.breaker.failures, 4);
    assert.equal(breakerPhase(after(state, FAILURE).breaker, NOW), "open");
  });
}

Deno.test("associationAfter() keeps the breaker closed when the model's breaker is off", () => {
  let state = NEW_ASSOCIATION;
  for (let i = 0; i < 9; i++) state = after(state, FAILURE, NOW, false);
  assert.equal(state, NEW_ASSOCIATION);
  const open = afterAll(new Array(5).fill(FAILURE));
  assert.equal(after(open, null, NOW + 1, false).breaker, CLOSED_BREAKER);
  assert.equal(after(open, FAILURE, NOW + 1, false).breaker, CLOSED_BREAKER);
});

Deno.test("associationAfter() cools for an unknown model, and for an overload only with a stated time", () => {
  assert.equal(after(NEW_ASSOCIATION, verdict("no_model")).cooldown?.until, NOW + 300_000);
  assert.equal(after(NEW_ASSOCIATION, verdict("overload", 2_000)).cooldown?.until, NOW + 2_000);
  assert.equal(after(NEW_ASSOCIATION, verdict("overload")).cooldown, null);
});

Deno.test("associationAfter() leaves keys' troubles to the keys", () => {
  for (const kind of ["rate_limit", "quota", "credential"] as const) {
    assert.equal(after(NEW_ASSOCIATION, verdict(kind, 9_000)), NEW_ASSOCIATION);
  }
});

Deno.test("associationAfter() ends a pause by a later success, not by an earlier one", () => {
  const state = after(NEW_ASSOCIATION, verdict("overload", 2_000));
  assert.equal(after(state, null, NOW + 1).cooldown, null);
  assert.deepEqual(
    associationAfter(state, null, { startedAt: NOW - 1, breaker: true }, NOW + 1).cooldown,
    state.cooldown,
  );
});

Deno.test("associationAfter() changes nothing by a success when there is nothing to clear", () => {
  assert.equal(after(NEW_ASSOCIATION, null), NEW_ASSOCIATION);
});

Deno.test("associationStarted() and associationEnded() count what is in flight, never below zero", () => {
  const started = associationStarted(associationStarted(NEW_ASSOCIATION, true), false);
  assert.equal(started.inFlight, 2);
  assert.equal(started.usedToday, 2);
  assert.equal(started.trials, 1);
  assert.equal(associationEnded(started).inFlight, 1);
  assert.equal(associationEnded(NEW_ASSOCIATION).inFlight, 0);
  assert.equal(associationTrialOver(started).trials, 0);
  assert.equal(associationTrialOver(NEW_ASSOCIATION).trials, 0);
});

Deno.test("associationMeasured() keeps a moving average and ignores what is no time", () => {
  const once = associationMeasured(NEW_ASSOCIATION, 100);
  assert.equal(once.ttftMs, 100);
  assert.equal(associationMeasured(once, 200).ttftMs, 130);
  for (const junk of [NaN, -1]) assert.equal(associationMeasured(once, junk), once);
});
