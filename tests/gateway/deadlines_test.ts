import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { Deadlines } from "../../src/gateway/deadlines.ts";

function withFakeTime(test: (clock: ReturnType<typeof FakeTimers.install>) => void): void {
  const clock = FakeTimers.install({ now: 1_000_000 });
  try {
    test(clock);
  } finally {
    clock.uninstall();
  }
}

Deno.test("Deadlines fire once, never early, and at most a tick late", () =>
  withFakeTime((clock) => {
    const deadlines = new Deadlines(100);
    const fired: number[] = [];
    deadlines.watch(Date.now() + 250, () => fired.push(Date.now()));
    clock.tick(249);
    assert.deepEqual(fired, []);
    clock.tick(1_000);
    assert.equal(fired.length, 1);
    assert.ok((fired[0] ?? 0) >= 1_000_250 && (fired[0] ?? 0) <= 1_000_350);
    deadlines.stop();
  }));

Deno.test("a deadline that is moved fires at its new time, and one that is cleared never", () =>
  withFakeTime((clock) => {
    const deadlines = new Deadlines(100);
    const fired: string[] = [];
    const moved = deadlines.watch(Date.now() + 100, () => fired.push("moved"));
    const cleared = deadlines.watch(Date.now() + 100, () => fired.push("cleared"));
    deadlines.watch(Infinity, () => fired.push("never"));
    moved.at = Date.now() + 1_000;
    cleared.clear();
    clock.tick(900);
    assert.deepEqual(fired, []);
    clock.tick(300);
    assert.deepEqual(fired, ["moved"]);
    deadlines.stop();
  }));

Deno.test("Deadlines run no timer while there is nothing to watch", () =>
  withFakeTime((clock) => {
    const deadlines = new Deadlines(100);
    assert.equal(clock.countTimers(), 0);
    deadlines.watch(Date.now() + 100, () => {}).clear();
    clock.tick(200);
    assert.equal(clock.countTimers(), 0);
    let fired = false;
    deadlines.watch(Date.now() + 50, () => fired = true);
    clock.tick(200);
    assert.ok(fired);
    assert.equal(clock.countTimers(), 0);
  }));
