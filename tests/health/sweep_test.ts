import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { MAX_CHECKS, SLOT_MS, Sweep, type SweepTasks } from "../../src/health/sweep.ts";

/** A sweep whose checks take as long as the test says, under a clock that only the test moves. */
class Rehearsal implements Disposable {
  readonly clock = FakeTimers.install({ now: 0 });
  /** When each check began. */
  readonly began = new Map<number, number>();
  readonly ended = new Map<number, number>();
  readonly unwanted = new Set<number>();
  running = 0;
  mostRunning = 0;
  readonly sweep: Sweep;

  /** @param tookMs how long the check of a provider takes */
  constructor(readonly tookMs: (id: number) => number = () => 100, tasks: Partial<SweepTasks> = {}) {
    this.sweep = new Sweep({
      isWanted: (id) => !this.unwanted.has(id),
      check: (id) => this.#check(id),
      ...tasks,
    });
  }

  async #check(id: number): Promise<void> {
    this.began.set(id, Date.now());
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    await new Promise((resolve) => setTimeout(resolve, this.tookMs(id)));
    this.running--;
    this.ended.set(id, Date.now());
  }

  /** Begins a round and runs the clock until it is over. @returns how long it took, ms */
  async round(ids: readonly number[], windowMs: number): Promise<number> {
    const from = Date.now();
    const over = this.sweep.round(ids, windowMs).then(() => Date.now() - from);
    await this.clock.runAllAsync();
    return await over;
  }

  [Symbol.dispose](): void {
    this.clock.uninstall();
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

Deno.test("Sweep.round() checks every provider once, never more than eight at the same time", async () => {
  using rehearsal = new Rehearsal(() => 1_500);
  await rehearsal.round(upTo(30), 5_000);
  assert.equal(rehearsal.ended.size, 30);
  assert.equal(rehearsal.mostRunning, MAX_CHECKS);
});

Deno.test("Sweep.round() spreads the beginnings over its window, and no two of them coincide", async () => {
  for (const [count, windowMs] of [[8, 5_000], [30, 5_000], [100, 5_000], [100, 50_000]] as const) {
    using rehearsal = new Rehearsal(() => 20);
    await rehearsal.round(upTo(count), windowMs);
    const times = [...rehearsal.began.values()];
    assert.ok((times.at(-1) ?? Infinity) <= windowMs, `${times.at(-1)} ms`);
    assert.equal(new Set(times).size, count);
  }
});

Deno.test("C08: a hundred providers are not asked in one burst, at the start or in later rounds", async () => {
  using rehearsal = new Rehearsal(() => 300);
  for (const windowMs of [5_000, 50_000, 50_000, 50_000]) {
    rehearsal.began.clear();
    await rehearsal.round(upTo(100), windowMs);
    const times = [...rehearsal.began.values()];
    const inOneSecond = times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length);
    // At the start all of them have five seconds; later they have most of a minute.
    assert.ok(Math.max(...inOneSecond) <= (windowMs === 5_000 ? 27 : 5), `${Math.max(...inOneSecond)}`);
  }
  assert.ok(rehearsal.mostRunning <= MAX_CHECKS);
});

Deno.test("30 providers of which ten hang: the others are checked on time", async () => {
  using rehearsal = new Rehearsal((id) => id % 3 === 0 ? 10_000 : 150);
  await rehearsal.round(upTo(30), 5_000);
  const others = upTo(30).filter((id) => id % 3 !== 0);
  for (const id of others) assert.ok((rehearsal.ended.get(id) ?? Infinity) <= 6_000, `provider ${id}`);
});

Deno.test("even if the first eight hang, the ninth waits for two seconds at most", async () => {
  using rehearsal = new Rehearsal((id) => id <= 8 ? 10_000 : 10);
  await rehearsal.round(upTo(9), 0);
  assert.equal(rehearsal.began.get(9), SLOT_MS);
});

Deno.test("rounds never pile up: what waits or is under check is not taken into another round", async () => {
  using rehearsal = new Rehearsal(() => 10_000);
  const first = rehearsal.sweep.round([1, 2], 0);
  await rehearsal.clock.tickAsync(5_000);
  assert.ok(rehearsal.sweep.isPending(1));
  const second = rehearsal.sweep.round([1, 2], 0);
  await second;
  assert.equal(rehearsal.running, 2);
  await rehearsal.clock.runAllAsync();
  await first;
  assert.equal(rehearsal.sweep.isPending(1), false);
  assert.equal(await rehearsal.round([1], 0), 10_000);
});

Deno.test("a provider that is no longer wanted when its turn comes is left out", async () => {
  using rehearsal = new Rehearsal(() => 10);
  const round = rehearsal.sweep.round([1, 2, 3], 3_000);
  rehearsal.unwanted.add(2);
  await rehearsal.clock.runAllAsync();
  await round;
  assert.deepEqual([...rehearsal.began.keys()], [1, 3]);
});

Deno.test("a check that rejects ends nothing but itself", async () => {
  const done: number[] = [];
  using rehearsal = new Rehearsal(undefined, {
    check: (id) => id === 1 ? Promise.reject(new Error("broken")) : Promise.resolve(void done.push(id)),
  });
  await rehearsal.round([1, 2], 0);
  assert.deepEqual(done, [2]);
});

Deno.test("Sweep.stop() begins nothing more, waits for what runs and leaves no timer", async () => {
  using rehearsal = new Rehearsal(() => 10_000);
  const round = rehearsal.sweep.round(upTo(20), 5_000);
  await rehearsal.clock.tickAsync(100);
  const stopped = rehearsal.sweep.stop();
  await rehearsal.clock.runAllAsync();
  await Promise.all([round, stopped]);
  assert.equal(rehearsal.began.size, 1);
  assert.equal(rehearsal.clock.countTimers(), 0);
  await rehearsal.sweep.round([1], 0);
  assert.equal(rehearsal.began.size, 1);
});
