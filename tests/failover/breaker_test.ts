import assert from "node:assert/strict";
import {
  type Breaker,
  BREAKER_FAILURES,
  BREAKER_OPEN_MS,
  breakerAfterFailure,
  breakerAfterSuccess,
  breakerPhase,
  CLOSED_BREAKER,
} from "../../src/failover/breaker.ts";
import { NOW } from "./samples.ts";

function failed(times: number, breaker = CLOSED_BREAKER, at = NOW): Breaker {
  let state = breaker;
  for (let i = 0; i < times; i++) state = breakerAfterFailure(state, at, at);
  return state;
}

const OPEN = failed(BREAKER_FAILURES);
const LATER = NOW + BREAKER_OPEN_MS;

Deno.test("breakerAfterFailure() opens it for 60 s with the fifth failure in a row", () => {
  assert.equal(breakerPhase(failed(4), NOW), "closed");
  assert.equal(breakerPhase(OPEN, NOW), "open");
  assert.equal(OPEN.openUntil, NOW + 60_000);
});

Deno.test("breakerAfterSuccess() clears the failures of a closed breaker", () => {
  const cleared = breakerAfterSuccess(failed(4), NOW);
  assert.equal(cleared, CLOSED_BREAKER);
  assert.equal(breakerPhase(failed(4, cleared), NOW), "closed");
  assert.equal(breakerAfterSuccess(CLOSED_BREAKER, NOW), CLOSED_BREAKER);
});

Deno.test("breakerPhase() is half-open when the open time is over", () => {
  assert.equal(breakerPhase(OPEN, LATER - 1), "open");
  assert.equal(breakerPhase(OPEN, LATER), "half_open");
});

Deno.test("breakerAfterSuccess() closes a half-open breaker with the second success", () => {
  const once = breakerAfterSuccess(OPEN, LATER);
  assert.equal(breakerPhase(once, LATER), "half_open");
  assert.equal(breakerAfterSuccess(once, LATER), CLOSED_BREAKER);
});

Deno.test("breakerAfterFailure() reopens a half-open breaker with one failure, also after a first success", () => {
  const reopened = breakerAfterFailure(breakerAfterSuccess(OPEN, LATER), LATER, LATER);
  assert.equal(reopened.openUntil, LATER + 60_000);
  assert.equal(reopened.successes, 0);
});

Deno.test("breakerAfterFailure() does not prolong the open time by last-resort attempts", () => {
  assert.equal(breakerAfterFailure(OPEN, NOW + 10, NOW + 20), OPEN);
});

Deno.test("a breaker takes no news from attempts that began before it opened", () => {
  assert.equal(breakerAfterFailure(OPEN, NOW - 1, LATER), OPEN);
  assert.equal(breakerAfterSuccess(OPEN, NOW - 1), OPEN);
});
