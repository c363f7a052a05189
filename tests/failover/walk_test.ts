import assert from "node:assert/strict";
import type { FailureClass } from "../../src/failover/failure_class.ts";
import { afterAttempt, emptyWalk, hasFailedThisRound, isSpent, type Walk } from "../../src/failover/walk.ts";
import { route, verdict } from "./samples.ts";

const A = { id: "a", weight: 1 };
const B = { id: "b", weight: 1 };
const FIRST = route(1, { keys: [A, B] });
/** Another association of the same provider. */
const SECOND = route(2, { providerId: 1, providerName: "p1", keys: [A, B] });
const OTHER = route(3, { keys: [A, B] });

function tried(failure: FailureClass): Walk {
  return afterAttempt(emptyWalk, { route: FIRST, key: A }, verdict(failure, 5), true);
}

const nextRound = (walk: Walk): Walk => ({ ...walk, round: walk.round + 1 });

Deno.test("afterAttempt() remembers who was tried and how it ended, and leaves the walk before as it was", () => {
  const walk = tried("server");
  assert.deepEqual(emptyWalk.attempts, []);
  assert.deepEqual(walk.attempts, [{
    associationId: 1,
    providerId: 1,
    providerName: "p1",
    keyId: "a",
    round: 0,
    class: "server",
    reason: "some_server",
    retryAfterMs: 5,
    passOn: true,
  }]);
});

Deno.test("isSpent() is false for what was not tried", () => {
  assert.equal(isSpent(emptyWalk, FIRST, A), false);
  assert.equal(isSpent(tried("server"), OTHER, A), false);
});

for (const failure of ["server", "network", "overload", "timeout", "bad_answer"] as const) {
  Deno.test(`isSpent() takes the association with all its keys out of the round after ${failure}`, () => {
    const walk = tried(failure);
    assert.equal(isSpent(walk, FIRST, A), true);
    assert.equal(isSpent(walk, FIRST, B), true);
    assert.equal(isSpent(walk, SECOND, A), false);
    assert.equal(isSpent(nextRound(walk), FIRST, A), false);
  });
}

for (const failure of ["credential", "quota"] as const) {
  Deno.test(`isSpent() takes the key out of the request after ${failure}, in every association of the provider`, () => {
    const walk = nextRound(tried(failure));
    assert.equal(isSpent(walk, FIRST, A), true);
    assert.equal(isSpent(walk, SECOND, A), true);
    assert.equal(isSpent(walk, FIRST, B), false);
    assert.equal(isSpent(walk, OTHER, A), false);
  });
}

Deno.test("isSpent() takes the key of one association out of the request after rate_limit", () => {
  const walk = nextRound(tried("rate_limit"));
  assert.equal(isSpent(walk, FIRST, A), true);
  assert.equal(isSpent(walk, FIRST, B), false);
  assert.equal(isSpent(walk, SECOND, A), false);
});

Deno.test("isSpent() takes the association out of the request after no_model", () => {
  const walk = nextRound(tried("no_model"));
  assert.equal(isSpent(walk, FIRST, A), true);
  assert.equal(isSpent(walk, FIRST, B), true);
  assert.equal(isSpent(walk, SECOND, A), false);
});

Deno.test("hasFailedThisRound() is about the provider's own troubles in this round", () => {
  assert.equal(hasFailedThisRound(tried("server"), 1), true);
  assert.equal(hasFailedThisRound(tried("server"), 3), false);
  assert.equal(hasFailedThisRound(nextRound(tried("server")), 1), false);
  assert.equal(hasFailedThisRound(tried("credential"), 1), false);
});
