/** Rules of `src/access/sliding_minute.ts`. @module */
import assert from "node:assert/strict";
import fc from "fast-check";
import { SlidingMinute } from "../../src/access/sliding_minute.ts";

const NOW = Date.UTC(2026, 4, 20, 12);

interface Event {
  atMs: number;
  amount: number;
}

/** Events in the order of time, several in a second and pauses of minutes among them. */
const events = fc.array(
  fc.record({
    gapMs: fc.oneof(
      fc.integer({ min: 0, max: 1_500 }),
      fc.integer({ min: 0, max: 30_000 }),
      fc.integer({ min: 55_000, max: 200_000 }),
    ),
    amount: fc.integer({ min: 0, max: 50 }),
  }),
  { maxLength: 60 },
).map((steps) => {
  let atMs = NOW;
  return steps.map(({ gapMs, amount }): Event => ({ atMs: atMs += gapMs, amount }));
});

function filled(list: readonly Event[]): SlidingMinute {
  const minute = new SlidingMinute();
  for (const { atMs, amount } of list) minute.add(atMs, amount);
  return minute;
}

function total(list: readonly Event[]): number {
  return list.reduce((sum, { amount }) => sum + amount, 0);
}

Deno.test("SlidingMinute counts an amount for at least 60 s and less than 61 s", () => {
  for (const offset of [0, 1, 500, 999]) {
    const minute = filled([{ atMs: NOW + offset, amount: 7 }]);
    assert.equal(minute.sum(NOW + offset), 7);
    assert.equal(minute.sum(NOW + offset + 60_000), 7);
    assert.equal(minute.sum(NOW + 60_999), 7);
    assert.equal(minute.sum(NOW + 61_000), 0);
  }
});

Deno.test("SlidingMinute is empty at first, whatever the time", () => {
  const minute = new SlidingMinute();
  for (const at of [0, 1, NOW, NOW * 2]) {
    assert.equal(minute.sum(at), 0);
    assert.equal(minute.untilAtMost(at, 0), 0);
  }
});

Deno.test("SlidingMinute counts whole seconds: nothing of the last 60 s is missing, nothing older than 61 s is in", () => {
  fc.assert(fc.property(events, fc.integer({ min: 0, max: 130_000 }), (list, laterMs) => {
    const now = (list.at(-1)?.atMs ?? NOW) + laterMs;
    const sum = filled(list).sum(now);
    assert.ok(sum >= total(list.filter(({ atMs }) => now - atMs <= 60_000)));
    assert.ok(sum <= total(list.filter(({ atMs }) => now - atMs < 61_000)));
    const second = (ms: number) => Math.floor(ms / 1000);
    assert.equal(sum, total(list.filter(({ atMs }) => second(now) - second(atMs) <= 60)));
  }));
});

Deno.test("SlidingMinute says to the millisecond when its sum has fallen", () => {
  fc.assert(fc.property(
    events,
    fc.integer({ min: 0, max: 70_000 }),
    fc.integer({ min: 0, max: 300 }),
    (list, laterMs, most) => {
      const now = (list.at(-1)?.atMs ?? NOW) + laterMs;
      const waitMs = filled(list).untilAtMost(now, most);
      assert.ok(filled(list).sum(now + waitMs) <= most);
      if (waitMs > 0) assert.ok(filled(list).sum(now + waitMs - 1) > most);
    },
  ));
});

Deno.test("SlidingMinute takes amounts of earlier seconds as if they had been added then", () => {
  fc.assert(fc.property(events, fc.integer({ min: 0, max: 70_000 }), (list, laterMs) => {
    const now = (list.at(-1)?.atMs ?? NOW) + laterMs;
    const restored = new SlidingMinute();
    for (const { atMs, amount } of list.toReversed()) {
      restored.addAt(now, Math.floor(atMs / 1000), amount);
    }
    const lived = filled(list);
    for (const at of [0, 1, 10_000, 59_999, 61_000].map((ms) => now + ms)) {
      assert.equal(restored.sum(at), lived.sum(at));
    }
  }));
});

Deno.test("SlidingMinute takes an amount of the future as one of now", () => {
  const minute = new SlidingMinute();
  minute.addAt(NOW, NOW / 1000 + 3_600, 5);
  assert.equal(minute.sum(NOW), 5);
  assert.equal(minute.sum(NOW + 61_000), 0);
});

Deno.test("SlidingMinute leaves out what cannot be added", () => {
  const minute = new SlidingMinute();
  for (const amount of [0, -1, NaN, -Infinity]) minute.add(NOW, amount);
  assert.equal(minute.sum(NOW), 0);
});

Deno.test("SlidingMinute forgets nothing when the clock is set back, and goes on from the new time", () => {
  for (const backMs of [1, 1_000, 59_000, 61_000, 3_600_000, 400 * 86_400_000]) {
    const minute = filled([{ atMs: NOW, amount: 3 }]);
    assert.equal(minute.sum(NOW - backMs), 3, `${backMs} ms back`);
    minute.add(NOW - backMs, 4);
    assert.equal(minute.sum(NOW - backMs + 59_999), 7, `${backMs} ms back`);
    // By less than a minute the old time is waited for, and then the minute runs: two minutes are always enough.
    assert.equal(minute.sum(NOW - backMs + 121_000), 0, `${backMs} ms back`);
  }
});

Deno.test("SlidingMinute does not lose count in a year of use", () => {
  const minute = new SlidingMinute();
  let at = NOW;
  for (let i = 0; i < 100_000; i++) minute.add(at += 317_000 * (i % 2) + 13, 1 + i % 5);
  assert.ok(minute.sum(at) > 0);
  assert.equal(minute.sum(at + 61_000), 0);
});
