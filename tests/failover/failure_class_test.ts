import assert from "node:assert/strict";
import {
  FAILURE_CLASSES,
  type FailureClass,
  isPassing,
  isProviderFailure,
} from "../../src/failover/failure_class.ts";

const CLASSES = Object.keys(FAILURE_CLASSES) as FailureClass[];

Deno.test("isPassing() is true for server, network, overload, timeout and bad_answer, and for nothing else", () => {
  assert.deepEqual(CLASSES.filter(isPassing).sort(), [
    "bad_answer",
    "network",
    "overload",
    "server",
    "timeout",
  ]);
});

Deno.test("isProviderFailure() spares the provider for callers, keys, limits, names, hang-ups and our own bugs", () => {
  assert.deepEqual(CLASSES.filter((each) => !isProviderFailure(each)).sort(), [
    "caller_fault",
    "client_gone",
    "credential",
    "gateway_fault",
    "no_model",
    "quota",
    "rate_limit",
  ]);
});

Deno.test("FAILURE_CLASSES stops only for the caller, a hang-up and our own bug", () => {
  assert.deepEqual(CLASSES.filter((each) => FAILURE_CLASSES[each].next === "stop").sort(), [
    "caller_fault",
    "client_gone",
    "gateway_fault",
  ]);
});

Deno.test("FAILURE_CLASSES moves to the next key exactly for what is wrong with a key", () => {
  const nextKey = CLASSES.filter((each) => FAILURE_CLASSES[each].next === "next_key");
  assert.deepEqual(nextKey, CLASSES.filter((each) => FAILURE_CLASSES[each].marks === "key"));
  assert.deepEqual(nextKey.sort(), ["credential", "quota", "rate_limit"]);
});

Deno.test("FAILURE_CLASSES never shows the caller a refused key, an empty account or a wrong upstream name", () => {
  for (const each of ["credential", "quota", "no_model", "bad_answer"] as const) {
    assert.equal(FAILURE_CLASSES[each].tellsCaller, false);
  }
});
