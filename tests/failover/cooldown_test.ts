import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Cooldown,
  cooldownAfter,
  cooldownAfterSuccess,
  type CooldownKind,
} from "../../src/failover/cooldown.ts";
import { NOW } from "./samples.ts";

const HOUR = 3_600_000;

/** Lengths of pauses, each failure coming right after the pause before. */
function lengths(kind: CooldownKind, count: number): number[] {
  let state: Cooldown | null = null;
  let now = NOW;
  const result: number[] = [];
  for (let i = 0; i < count; i++) {
    state = cooldownAfter(state, kind, null, now, now);
    result.push((state.until - now) / 1_000);
    now = state.until;
  }
  return result;
}

Deno.test("cooldownAfter() pauses a limited key for 15 s, doubling to 5 min, when the vendor states no time", () => {
  assert.deepEqual(lengths("rate_limit", 7), [15, 30, 60, 120, 240, 300, 300]);
});

Deno.test("cooldownAfter() pauses an exhausted key for 15 min, doubling to 24 h, when the vendor states no time", () => {
  assert.deepEqual(lengths("quota", 9), [900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400]);
});

Deno.test("cooldownAfter() pauses an association with an unknown model for 5 min, doubling to 1 h", () => {
  assert.deepEqual(lengths("no_model", 6), [300, 600, 1200, 2400, 3600, 3600]);
});

Deno.test("cooldownAfter() does as the vendor states, up to 1 h, and 24 h for a quota", () => {
  assert.equal(cooldownAfter(null, "rate_limit", 5_000, NOW, NOW).until, NOW + 5_000);
  assert.equal(cooldownAfter(null, "rate_limit", 9 * HOUR, NOW, NOW).until, NOW + HOUR);
  assert.equal(cooldownAfter(null, "overload", 9 * HOUR, NOW, NOW).until, NOW + HOUR);
  assert.equal(cooldownAfter(null, "quota", 9 * HOUR, NOW, NOW).until, NOW + 9 * HOUR);
  assert.equal(cooldownAfter(null, "quota", 99 * HOUR, NOW, NOW).until, NOW + 24 * HOUR);
});

Deno.test("cooldownAfter() lets the latest deadline win", () => {
  const long = cooldownAfter(null, "rate_limit", 60_000, NOW, NOW);
  assert.equal(cooldownAfter(long, "rate_limit", 1_000, NOW + 10, NOW + 20).until, NOW + 60_000);
  assert.equal(cooldownAfter(long, "rate_limit", null, NOW + 10, NOW + 20).until, NOW + 60_000);
});

Deno.test("cooldownAfter() counts a burst of attempts under way once", () => {
  let state: Cooldown | null = null;
  for (let i = 0; i < 20; i++) state = cooldownAfter(state, "rate_limit", null, NOW - 500, NOW + i);
  assert.ok(state !== null && state.until <= NOW + 19 + 15_000);
  assert.equal(state?.hits, 1);
});

Deno.test("cooldownAfter() still begins to count when a burst follows a stated time", () => {
  const stated = cooldownAfter(null, "rate_limit", 1_000, NOW - 9, NOW);
  const burst = cooldownAfter(stated, "rate_limit", null, NOW - 9, NOW + 1);
  assert.equal(burst.hits, 1);
  assert.equal(burst.until, NOW + 1 + 15_000);
});

Deno.test("cooldownAfter() never moves a deadline back and stays finite, whatever comes", () => {
  const event = fc.record({
    kind: fc.constantFrom<CooldownKind>("rate_limit", "quota", "overload", "no_model"),
    retryAfterMs: fc.option(fc.double({ noNaN: true })),
    afterMs: fc.nat(10_000_000),
  });
  fc.assert(fc.property(fc.array(event, { maxLength: 60 }), (events) => {
    let state = null as Cooldown | null;
    let now = NOW;
    for (const { kind, retryAfterMs, afterMs } of events) {
      now += afterMs;
      const next: Cooldown = cooldownAfter(state, kind, retryAfterMs, now, now);
      assert.ok(
        next.until >= (state?.until ?? 0) && next.until >= now &&
          next.until <= Math.max(state?.until ?? 0, now + 24 * HOUR),
      );
      state = next;
    }
  }));
});

Deno.test("cooldownAfterSuccess() ends a pause by a success that began after it was set, and only by one", () => {
  const state: Cooldown = { until: NOW + 5_000, setAt: NOW, hits: 3 };
  assert.equal(cooldownAfterSuccess(state, NOW), null);
  assert.equal(cooldownAfterSuccess(state, NOW - 1), state);
  assert.equal(cooldownAfterSuccess(null, NOW), null);
});
