import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { type AttemptStart, Recorder, type WriteBatch } from "../../src/accounting/recorder.ts";
import type { LogInsert, LogOutcome, LogUpdate } from "../../src/store/logs.ts";

const start = (name: string): AttemptStart => ({
  startedAtMs: 0,
  name,
  traceId: "t",
  providerId: 1,
  providerName: "p",
  providerModel: "pm",
  style: "openai",
  userAgent: "",
  remoteIp: "",
  authKeyId: 0,
  sessionId: "",
  chatIo: false,
  retry: 0,
  proxyTimeNs: 0,
  inputPrice: 0,
  cacheReadPrice: 0,
  outputPrice: 0,
  currency: "",
});

const success: LogOutcome = {
  status: "success",
  outcome: "completed",
  statusCode: 200,
  error: "",
  firstChunkTimeNs: 1,
  chunkTimeNs: 1,
  tps: 1,
  size: 1,
  promptTokens: 1,
  completionTokens: 1,
  totalTokens: 2,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  audioTokens: 0,
  usageSource: "measured",
  cost: 0,
  costSource: "",
};

/** A database of two maps that can be told to fail. */
class Table {
  readonly rows = new Map<number, LogInsert | LogUpdate>();
  readonly batches: number[] = [];
  failing = false;
  gate: Promise<void> = Promise.resolve();
  write: WriteBatch = async ({ inserts, updates }) => {
    await this.gate;
    if (this.failing) throw new Error("database is locked");
    this.batches.push(inserts.length + updates.length);
    for (const row of updates) this.rows.set(row.id, { ...this.rows.get(row.id), ...row });
    return inserts.map((row) => {
      const id = this.rows.size + 1;
      this.rows.set(id, row);
      return id;
    });
  };
  statuses(): string[] {
    return [...this.rows.values()].map((row) => row.status);
  }
}

async function withFakeTime(
  test: (clock: ReturnType<typeof FakeTimers.install>) => Promise<void>,
): Promise<void> {
  const clock = FakeTimers.install();
  try {
    await test(clock);
  } finally {
    clock.uninstall();
  }
}

Deno.test("Recorder writes what has ended once, in one batch, after the flush time", () =>
  withFakeTime(async (clock) => {
    const table = new Table();
    const recorder = new Recorder(table.write, { flushMs: 500 });
    for (let i = 0; i < 20; i++) recorder.end(recorder.begin(start(`m${i}`)), success);
    await clock.tickAsync(499);
    assert.equal(table.rows.size, 0);
    await clock.tickAsync(1);
    assert.deepEqual(table.batches, [20]);
    assert.ok(table.statuses().every((status) => status === "success"));
    await recorder.close();
  }));

Deno.test("Recorder writes a running attempt first and completes its row later", () =>
  withFakeTime(async (clock) => {
    const table = new Table();
    const recorder = new Recorder(table.write, { flushMs: 500 });
    const attempt = recorder.begin(start("m"));
    await clock.tickAsync(500);
    assert.deepEqual(table.statuses(), ["running"]);
    recorder.end(attempt, success);
    recorder.end(attempt, { ...success, status: "error" });
    await clock.tickAsync(500);
    assert.deepEqual(table.statuses(), ["success"]);
    await recorder.close();
    assert.equal(table.rows.size, 1);
  }));

Deno.test("Recorder completes the row of an attempt that ends while it is being written", () =>
  withFakeTime(async (clock) => {
    const table = new Table();
    const { promise, resolve } = Promise.withResolvers<void>();
    table.gate = promise;
    const recorder = new Recorder(table.write, { flushMs: 500 });
    const attempt = recorder.begin(start("m"));
    await clock.tickAsync(500);
    recorder.end(attempt, success);
    resolve();
    await recorder.close();
    assert.deepEqual(table.statuses(), ["success"]);
  }));

Deno.test("Recorder loses nothing while the database refuses rows, and writes each once when it takes them again", () =>
  withFakeTime(async (clock) => {
    const table = new Table();
    table.failing = true;
    const recorder = new Recorder(table.write, { flushMs: 500 });
    const running = recorder.begin(start("long"));
    for (let i = 0; i < 1_200; i++) recorder.end(recorder.begin(start(`m${i}`)), success);
    await clock.tickAsync(8_000);
    recorder.end(running, success);
    assert.equal(table.rows.size, 0);
    assert.equal(recorder.waiting, 1_201);
    table.failing = false;
    await clock.tickAsync(8_000);
    assert.equal(table.rows.size, 1_201);
    assert.deepEqual(new Set(table.statuses()), new Set(["success"]));
    assert.deepEqual([recorder.waiting, recorder.dropped], [0, 0]);
    await recorder.close();
  }));

Deno.test("Recorder writes in batches of bounded size, the first of them at once", () =>
  withFakeTime(async (clock) => {
    const table = new Table();
    const recorder = new Recorder(table.write, { flushMs: 500 });
    for (let i = 0; i < 1_100; i++) recorder.end(recorder.begin(start(`m${i}`)), success);
    await clock.tickAsync(0);
    assert.ok((table.batches[0] ?? 0) > 0 && Math.max(...table.batches) <= 500);
    await recorder.close();
    assert.equal(table.rows.size, 1_100);
  }));

Deno.test("Recorder keeps to its capacity and counts what it had to drop", () =>
  withFakeTime(async (clock) => {
    const table = new Table();
    table.failing = true;
    const recorder = new Recorder(table.write, { flushMs: 500, capacity: 10 });
    for (let i = 0; i < 25; i++) recorder.end(recorder.begin(start(`m${i}`)), success);
    assert.deepEqual([recorder.waiting, recorder.dropped], [10, 15]);
    table.failing = false;
    await clock.tickAsync(1_000);
    assert.equal(table.rows.size, 10);
    await recorder.close();
  }));

Deno.test("Recorder gives up closing when the database never answers well, instead of hanging", () =>
  withFakeTime(async () => {
    const table = new Table();
    table.failing = true;
    const recorder = new Recorder(table.write, { flushMs: 500 });
    recorder.end(recorder.begin(start("m")), success);
    await recorder.close();
    assert.equal(recorder.waiting, 1);
  }));

Deno.test("uses of keys that leave no row are written with the next batch, summed by key", async () => {
  await withFakeTime(async (clock) => {
    const written: unknown[] = [];
    let failing = true;
    const recorder = new Recorder(({ keyUses = [] }) => {
      if (failing) return Promise.reject(new Error("database is locked"));
      written.push(...keyUses);
      return Promise.resolve([]);
    }, { flushMs: 500 });
    recorder.keyUsed(0, 1);
    recorder.keyUsed(7, 10);
    recorder.keyUsed(8, 20);
    await clock.tickAsync(500);
    // The database did not take them; what comes meanwhile is added.
    recorder.keyUsed(7, 30);
    failing = false;
    await clock.tickAsync(1_000);
    assert.deepEqual(written, [
      { authKeyId: 7, uses: 2, lastUsedAtMs: 30 },
      { authKeyId: 8, uses: 1, lastUsedAtMs: 20 },
    ]);
    await recorder.close();
    assert.equal(written.length, 2);
  });
});

Deno.test("a record waits until it is in the database, also while its batch is being written", async () => {
  const table = new Table();
  const gate = Promise.withResolvers<void>();
  table.gate = gate.promise;
  const recorder = new Recorder(table.write, { flushMs: 10 });
  recorder.end(recorder.begin(start("a")), success);
  const flushed = recorder.flush();
  await Promise.resolve();
  assert.equal(recorder.waiting, 1);
  gate.resolve();
  await flushed;
  assert.equal(recorder.waiting, 0);
  await recorder.close();
});

Deno.test("recorded bodies go with the end of their row", async () => {
  const table = new Table();
  const recorder = new Recorder(table.write, { flushMs: 10 });
  const io = { input: "in", text: "out", events: null };
  const early = recorder.begin(start("early"));
  await recorder.flush();
  recorder.end(early, success, io);
  recorder.end(recorder.begin(start("late")), success, io);
  await recorder.close();
  assert.deepEqual([...table.rows.values()].map((row) => row.io), [io, io]);
});

Deno.test("recorded bodies go with a row whose end fills a batch, which is written at once", async () => {
  const table = new Table();
  const recorder = new Recorder(table.write, { flushMs: 60_000 });
  const io = { input: "in", text: "out", events: null };
  const running = recorder.begin(start("running"));
  await recorder.flush();
  for (let n = 0; n < 499; n++) recorder.begin(start("other"));
  recorder.end(running, success, io);
  await recorder.close();
  assert.deepEqual(table.batches, [1, 500]);
  assert.deepEqual(table.rows.get(1)?.io, io);
});

Deno.test("bodies beyond the limit are given up while the database is slow, their rows are not", async () => {
  const table = new Table();
  table.failing = true;
  const recorder = new Recorder(table.write, { flushMs: 10, ioCapacity: 10 });
  const io = { input: "1234", text: "", events: ["56"] };
  for (const name of ["a", "b", "c"]) recorder.end(recorder.begin(start(name)), success, io);
  await recorder.flush();
  table.failing = false;
  await recorder.flush();
  assert.deepEqual([...table.rows.values()].map((row) => row.io), [io, undefined, undefined]);
  // What is written makes room again.
  recorder.end(recorder.begin(start("d")), success, io);
  await recorder.close();
  assert.deepEqual([...table.rows.values()].at(-1)?.io, io);
});

Deno.test("bodies of a row that was dropped take no room from those of others", async () => {
  const table = new Table();
  const recorder = new Recorder(table.write, { flushMs: 10, capacity: 1, ioCapacity: 10 });
  const io = { input: "1234", text: "", events: ["56"] };
  const kept = recorder.begin(start("kept"));
  recorder.end(recorder.begin(start("dropped")), success, io);
  assert.equal(recorder.dropped, 1);
  recorder.end(kept, success, io);
  await recorder.close();
  assert.deepEqual([...table.rows.values()].map((row) => row.io), [io]);
});
