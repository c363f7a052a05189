import assert from "node:assert/strict";
import fc from "fast-check";
import { hashToUnit, stickTo } from "../../src/failover/sticky.ts";
import { lotsOf } from "../../src/failover/weight.ts";

/** The id of the participant that a session sticks to; each has a weight by its id. */
function stuck(session: string, weights: Readonly<Record<string, number>>): number {
  const lots = lotsOf(Object.entries(weights), ([, weight]) => weight);
  return Number(stickTo(["none", 0], lots, ([id]) => Number(id), session)[0]);
}

Deno.test("stickTo() sends the same session to the same participant", () => {
  fc.assert(fc.property(fc.string(), (session) => {
    assert.equal(stuck(session, { 11: 1, 12: 2, 13: 3 }), stuck(session, { 11: 1, 12: 2, 13: 3 }));
  }));
});

Deno.test("stickTo() keeps the ratio of the weights within 2 % over 10,000 sessions", () => {
  const counts = new Map<number, number>();
  for (let i = 0; i < 10_000; i++) {
    const id = stuck(`session-${i}`, { 11: 1, 12: 3, 13: 6 });
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const [id, share] of [[11, 0.1], [12, 0.3], [13, 0.6]] as const) {
    assert.ok(Math.abs((counts.get(id) ?? 0) / 10_000 - share) <= 0.02, [...counts].join(" "));
  }
});

Deno.test("stickTo() moves only the sessions of the one that is out", () => {
  fc.assert(fc.property(fc.string(), (session) => {
    const id = stuck(session, { 11: 1, 12: 1, 13: 1 });
    if (id !== 13) assert.equal(stuck(session, { 11: 1, 12: 1 }), id);
  }));
});

Deno.test("stickTo() does not depend on the order of the participants", () => {
  const lots = lotsOf([11, 12, 13], (id) => id);
  fc.assert(fc.property(fc.string(), (session) => {
    const chosen = stickTo(0, lots, (id) => id, session);
    assert.equal(stickTo(0, lots.toReversed(), (id) => id, session), chosen);
  }));
});

Deno.test("stickTo() passes over participants without weight", () => {
  for (let i = 0; i < 100; i++) assert.equal(stuck(`s${i}`, { 11: 0, 12: 1, 13: 0 }), 12);
});

Deno.test("stickTo() falls back when nobody is there", () => {
  assert.equal(stickTo(0, [], (id) => id, "s"), 0);
});

Deno.test("hashToUnit() stays strictly between 0 and 1", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    const unit = hashToUnit(text);
    assert.ok(unit > 0 && unit < 1);
  }));
});

Deno.test("hashToUnit() scatters texts that differ only at their end", () => {
  const buckets = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) {
    const bucket = Math.floor(hashToUnit(`session\u0000${i}`) * 16);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  assert.ok(buckets.every((count) => Math.abs(count - 1_000) < 150), buckets.join());
});
