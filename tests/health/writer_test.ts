import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { UNOBSERVED } from "../../src/health/state.ts";
import { HealthWriter } from "../../src/health/writer.ts";
import type { ProviderCheck } from "../../src/store/health.ts";

const check = (providerId: number): ProviderCheck => ({
  providerId,
  checkedAtMs: 0,
  source: "probe",
  result: "ok",
  statusCode: 200,
  latencyMs: 1,
  error: "",
  model: "m",
  promptTokens: null,
  completionTokens: null,
});

/** Runs a test with a writer whose batches are kept as ids; while `broken`, the database takes none. */
async function withWriter(
  test: (
    writer: HealthWriter,
    seen: { batches: unknown[]; broken: boolean },
    pass: (ms: number) => Promise<unknown>,
  ) =>
    | Promise<void>
    | void,
): Promise<void> {
  const clock = FakeTimers.install();
  const seen = { batches: [] as unknown[], broken: false };
  try {
    const writer = new HealthWriter({
      flushMs: 500,
      health: (id) => id === 77 ? undefined : UNOBSERVED,
      save: ({ states, checks }) => {
        if (seen.broken) return Promise.reject(new Error("database is locked"));
        seen.batches.push([
          states.map(({ providerId }) => providerId),
          checks.map(({ providerId }) => providerId),
        ]);
        return Promise.resolve();
      },
    });
    await test(writer, seen, (ms) => clock.tickAsync(ms));
    await writer.close();
    assert.equal(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
}

Deno.test("HealthWriter writes each changed verdict once a batch", () =>
  withWriter(async (writer, { batches }, pass) => {
    for (let i = 0; i < 10; i++) writer.touch(1);
    writer.touch(2);
    writer.add(check(2));
    assert.deepEqual(batches, []);
    await pass(500);
    assert.deepEqual(batches, [[[1, 2], [2]]]);
    await pass(5_000);
    assert.equal(batches.length, 1);
  }));

Deno.test("HealthWriter tries again what the database did not take, with what has come meanwhile", () =>
  withWriter(async (writer, seen, pass) => {
    seen.broken = true;
    writer.touch(1);
    writer.add(check(1));
    await pass(500);
    seen.broken = false;
    writer.touch(2);
    writer.add(check(2));
    await pass(5_000);
    assert.deepEqual(seen.batches, [[[1, 2], [1, 2]]]);
  }));

Deno.test("HealthWriter forgets what belongs to a provider that is gone", () =>
  withWriter(async (writer, { batches }, pass) => {
    for (const id of [1, 2, 77]) {
      writer.touch(id);
      writer.add(check(id));
    }
    writer.forget(1);
    writer.forget(77);
    writer.touch(77);
    await pass(500);
    assert.deepEqual(batches, [[[2], [2]]]);
  }));

Deno.test("HealthWriter.close() writes the rest and takes nothing more", () =>
  withWriter(async (writer, { batches }, pass) => {
    writer.touch(1);
    await writer.close();
    assert.deepEqual(batches, [[[1], []]]);
    writer.touch(2);
    await pass(10_000);
    assert.equal(batches.length, 1);
  }));
