import assert from "node:assert/strict";
import {
  BAD_KEY_FIRST_MS,
  BAD_KEY_MAX_MS,
  chooseKey,
  keyAfter,
  keyDeadline,
  type KeyPolicy,
  keyStarted,
  type KeyState,
  keyStatus,
  keyTrialOver,
  NEW_KEY,
  type RouteKey,
} from "../../src/failover/key_pool.ts";
import type { Rotation } from "../../src/failover/rotation.ts";
import { NOW, seeded, verdict } from "./samples.ts";

const refused = (state: KeyState, at: number) => keyAfter(state, verdict("credential"), at, at);

Deno.test("keyStatus() is usable for a key that nobody knows", () => {
  assert.equal(keyStatus(undefined, NOW), "usable");
  assert.equal(keyStatus(NEW_KEY, NOW), "usable");
  assert.equal(keyDeadline(undefined), 0);
  assert.equal(keyDeadline(NEW_KEY), 0);
});

Deno.test("keyAfter() marks a refused key bad, for one hour at first, doubling to a day", () => {
  let state = refused(NEW_KEY, NOW);
  assert.equal(keyStatus(state, NOW + BAD_KEY_FIRST_MS - 1), "bad");
  assert.equal(keyDeadline(state), NOW + BAD_KEY_FIRST_MS);
  state = refused(state, NOW + BAD_KEY_FIRST_MS);
  assert.equal(state.badUntil, NOW + 3 * BAD_KEY_FIRST_MS);
  for (let i = 0; i < 10; i++) state = refused(state, NOW + 1e9);
  assert.equal(state.badUntil, NOW + 1e9 + BAD_KEY_MAX_MS);
});

Deno.test("keyAfter() lets a bad key be tried again by one request after its rest, and a success make it good", () => {
  const state = refused(NEW_KEY, NOW);
  const later = NOW + BAD_KEY_FIRST_MS;
  assert.equal(keyStatus(state, later), "trial");
  const good = keyAfter(state, null, later, later);
  assert.equal(keyStatus(good, later), "usable");
  assert.equal(good.errorCount, 0);
  assert.equal(good.lastError, null);
  assert.equal(good.refusals, 0);
});

Deno.test("keyAfter() counts refusals of attempts under way once", () => {
  let state = refused(NEW_KEY, NOW);
  for (let i = 1; i < 10; i++) state = keyAfter(state, verdict("credential"), NOW - 5, NOW + i);
  assert.equal(state.refusals, 1);
  assert.equal(state.errorCount, 10);
});

Deno.test("keyAfter() does not make a refused key good by a success that began before the refusal", () => {
  const state = refused(NEW_KEY, NOW);
  assert.equal(keyAfter(state, null, NOW - 1, NOW + 5), state);
  const limited = keyAfter(
    keyAfter(NEW_KEY, verdict("rate_limit", 9_000), NOW - 9, NOW - 9),
    verdict("credential"),
    NOW,
    NOW,
  );
  const after = keyAfter(limited, null, NOW - 1, NOW + 5);
  assert.equal(keyStatus(after, NOW + 5), "bad");
  assert.equal(after.cooldown, null);
});

for (const kind of ["rate_limit", "quota"] as const) {
  Deno.test(`keyAfter() cools the key for a ${kind}, and a later success ends it`, () => {
    const state = keyAfter(NEW_KEY, verdict(kind, 5_000), NOW, NOW);
    assert.equal(keyStatus(state, NOW + 4_999), "cooling");
    assert.equal(keyDeadline(state), NOW + 5_000);
    assert.equal(keyStatus(state, NOW + 5_000), "trial");
    assert.equal(state.lastError, `detail of ${kind}`);
    const good = keyAfter(state, null, NOW + 5_000, NOW + 5_100);
    assert.equal(keyStatus(good, NOW + 5_100), "usable");
    assert.equal(good.errorCount, 0);
  });
}

Deno.test("keyAfter() keeps a pause that was set after the success began", () => {
  const state = keyAfter(NEW_KEY, verdict("rate_limit", 5_000), NOW, NOW);
  assert.equal(keyStatus(keyAfter(state, null, NOW - 1, NOW + 1), NOW + 1), "cooling");
  const healed = keyAfter(
    { ...state, badUntil: NOW, badSince: NOW - 9, refusals: 1 },
    null,
    NOW - 1,
    NOW + 1,
  );
  assert.equal(healed.badUntil, null);
  assert.equal(healed.errorCount, 1);
  assert.equal(healed.lastError, "detail of rate_limit");
});

for (
  const other of [
    "caller_fault",
    "overload",
    "server",
    "no_model",
    "network",
    "timeout",
    "bad_answer",
    "client_gone",
    "gateway_fault",
  ] as const
) {
  Deno.test(`keyAfter() leaves the key alone after ${other}`, () => {
    assert.equal(keyAfter(NEW_KEY, verdict(other), NOW, NOW), NEW_KEY);
  });
}

Deno.test("keyAfter() changes nothing by a success when there is nothing to clear", () => {
  assert.equal(keyAfter(NEW_KEY, null, NOW, NOW), NEW_KEY);
});

Deno.test("keyStarted() counts the use and takes a slot only for a trial; keyTrialOver() gives it back", () => {
  const state = keyStarted(NEW_KEY, false, NOW);
  assert.equal(state.useCount, 1);
  assert.equal(state.lastUsedAt, NOW);
  assert.equal(state.trials, 0);
  const trial = keyStarted(NEW_KEY, true, NOW);
  assert.equal(trial.trials, 1);
  assert.equal(keyTrialOver(trial).trials, 0);
  assert.equal(keyTrialOver(NEW_KEY).trials, 0);
});

const A: RouteKey = { id: "a", weight: 3 };
const B: RouteKey = { id: "b", weight: 1 };
const Z: RouteKey = { id: "z", weight: 0 };

function counts(
  keys: readonly [RouteKey, ...RouteKey[]],
  policy: KeyPolicy,
  picks: number,
): Record<string, number> {
  const random = seeded(5);
  const states = new Map<string, KeyState>();
  const result: Record<string, number> = {};
  let rotation: Rotation<string> | undefined;
  for (let i = 0; i < picks; i++) {
    const chosen = chooseKey(keys, policy, rotation, (id) => states.get(id), random);
    rotation = chosen.rotation ?? rotation;
    const { id } = chosen.key;
    states.set(id, keyStarted(states.get(id) ?? NEW_KEY, false, NOW));
    result[id] = (result[id] ?? 0) + 1;
  }
  return result;
}

Deno.test("chooseKey() takes the only key without a draw", () => {
  const chosen = chooseKey([Z], "random", undefined, () => undefined, () => {
    throw new Error("no draw is needed");
  });
  assert.equal(chosen.key, Z);
});

for (const policy of ["round_robin", "least_used", "random"] as const) {
  Deno.test(`chooseKey() by ${policy} keeps the weights within 2 %, and weight 0 waits`, () => {
    const result = counts([Z, A, B], policy, 10_000);
    assert.equal(result["z"], undefined);
    assert.ok(Math.abs((result["a"] ?? 0) / 10_000 - 0.75) <= 0.02, JSON.stringify(result));
  });

  Deno.test(`chooseKey() by ${policy} spreads evenly when no key has weight`, () => {
    const result = counts([Z, { id: "y", weight: NaN }], policy, 10_000);
    assert.ok(Math.abs((result["z"] ?? 0) / 10_000 - 0.5) <= 0.02, JSON.stringify(result));
  });
}

Deno.test("chooseKey() by round_robin takes strict turns with equal weights", () => {
  let rotation: Rotation<string> | undefined;
  let order = "";
  for (let i = 0; i < 6; i++) {
    const chosen = chooseKey(
      [{ id: "a", weight: 1 }, { id: "b", weight: 1 }],
      "round_robin",
      rotation,
      () => undefined,
      Math.random,
    );
    rotation = chosen.rotation;
    order += chosen.key.id;
  }
  assert.equal(order, "ababab");
});

Deno.test("keyAfter() ends a pause by a success even when no error is counted, and a refusal even without a pause", () => {
  const cooling = { ...NEW_KEY, cooldown: { until: NOW, setAt: NOW - 9, hits: 1 } };
  assert.equal(keyAfter(cooling, null, NOW, NOW).cooldown, null);
  const bad = { ...NEW_KEY, badUntil: NOW, badSince: NOW - 9, refusals: 1 };
  assert.equal(keyAfter(bad, null, NOW, NOW).badUntil, null);
});
