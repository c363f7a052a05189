import { deepEqual, equal, ok } from "node:assert/strict";
import { type ProviderHealth, UNOBSERVED } from "../../src/health/state.ts";
import type { ProviderCheck } from "../../src/store/health.ts";
import { inFolder, makeLegacyFiles, NOW_MS, openOnce, provider, sql, withStore } from "./fixtures.ts";

const FULL: ProviderHealth = {
  isHealthy: false,
  errorCount: 7,
  consecutiveSuccesses: 0,
  lastError: "HTTP 502: bad gateway",
  lastStatusCode: 502,
  lastCheckedAt: NOW_MS,
  lastProbeAt: NOW_MS - 1,
  lastSuccessAt: NOW_MS - 2_345,
  lastLatencyMs: 12.5,
  nextRetryAt: NOW_MS + 3_600_000,
  recoveredAt: NOW_MS - 60_000,
  trafficSuccesses: 3,
  relapses: 2,
};

const check = (fields: Partial<ProviderCheck> = {}): ProviderCheck => ({
  providerId: 1,
  checkedAtMs: NOW_MS,
  source: "probe",
  result: "ok",
  statusCode: 200,
  latencyMs: 12.5,
  error: "",
  model: "gpt-4o-mini",
  promptTokens: 8,
  completionTokens: 1,
  ...fields,
});

const FIRST_PAGE = { page: 1, pageSize: 100 };

Deno.test("store.health.save() keeps every part of a verdict, and replaces it", () =>
  withStore({}, async (store) => {
    await store.providers.create(provider());
    for (const health of [FULL, UNOBSERVED, { ...FULL, isHealthy: true, lastError: null }]) {
      await store.health.save({ states: [{ providerId: 1, health }], checks: [] });
      deepEqual(await store.health.states(), [{ providerId: 1, health }]);
    }
  }));

Deno.test("store.health.save() writes what the fork reads", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await store.providers.create(provider());
      await store.health.save({ states: [{ providerId: 1, health: FULL }], checks: [] });
    });
    const row = sql(path, (database) => database.prepare("SELECT * FROM provider_validations").get());
    deepEqual(
      [row?.["is_healthy"], row?.["error_count"], row?.["last_error"], row?.["last_status_code"]],
      [0, 7, "HTTP 502: bad gateway", 502],
    );
    deepEqual([row?.["last_validated_at"], row?.["last_success_at"], row?.["next_retry_at"]], [
      "2026-05-20 12:00:00.06+00:00",
      "2026-05-20 11:59:57.715+00:00",
      "2026-05-20 13:00:00.06+00:00",
    ]);
  }));

Deno.test("a file of the fork keeps its verdicts, of providers that are still there", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    const before = sql(ma, (database) =>
      database.prepare(
        `SELECT provider_id, is_healthy, error_count FROM provider_validations AS state
         WHERE deleted_at IS NULL
           AND EXISTS (SELECT 1 FROM providers WHERE id = state.provider_id AND deleted_at IS NULL)
         ORDER BY provider_id`,
      ).all());
    ok(before.length > 0);
    await withStore({ path: ma }, async (store) => {
      const states = await store.health.states();
      deepEqual(
        states.map(({ providerId, health }) => [providerId, health.isHealthy, health.errorCount]),
        before.map((row) => [row["provider_id"], row["is_healthy"] !== 0, row["error_count"]]),
      );
      ok(states.every(({ health }) => health.lastCheckedAt !== null && health.relapses === 0));
    });
  }));

Deno.test("a verdict or check of a provider that is deleted is not written, and its old ones are not read", () =>
  withStore({}, async (store) => {
    for (const name of ["a", "b"]) await store.providers.create(provider({ name }));
    const states = [1, 2, 3].map((providerId) => ({ providerId, health: FULL }));
    await store.health.save({ states, checks: [check(), check({ providerId: 3 })] });
    await store.providers.remove([1]);
    deepEqual((await store.health.states()).map(({ providerId }) => providerId), [2]);
    await store.health.save({ states, checks: [check(), check({ providerId: 2 })] });
    equal((await store.health.checks({ providerId: 1 }, FIRST_PAGE)).total, 1);
    await store.health.forget([1]);
    equal((await store.health.checks({ providerId: 1 }, FIRST_PAGE)).total, 0);
    equal((await store.health.checks({ providerId: 2 }, FIRST_PAGE)).total, 1);
    const next = await store.providers.create(provider({ name: "a" }));
    equal(next.id, 3);
    deepEqual((await store.health.states()).map(({ providerId }) => providerId), [2]);
  }));

Deno.test("store.health.config() is the first live row; setConfig() changes that one and no other", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    sql(path, (database) =>
      database.exec(`
        UPDATE health_check_configs SET deleted_at = '2026-01-01 00:00:00+00:00';
        INSERT INTO health_check_configs (enabled, interval_minutes, max_error_count, retry_after_hours)
        VALUES (0, 10, 3, 2), (1, 99, 99, 99);
      `));
    await withStore({ path }, async (store) => {
      const { id, config } = await store.health.config();
      deepEqual([id, config], [2, {
        enabled: false,
        intervalMinutes: 10,
        maxErrorCount: 3,
        retryAfterHours: 2,
        retryAfterMinutes: null,
        skipIfRecentSuccess: true,
      }]);
      const changed = { ...config, enabled: true, retryAfterMinutes: 15, skipIfRecentSuccess: false };
      const stored = await store.health.setConfig(changed);
      deepEqual([stored.id, stored.config, stored.updatedAt], [2, changed, "2026-05-20T12:00:00.06Z"]);
      deepEqual(await store.health.config(), stored);
    });
    const others = sql(
      path,
      (database) =>
        database.prepare("SELECT interval_minutes FROM health_check_configs WHERE id <> 2 ORDER BY id").all(),
    );
    deepEqual(others.map((row) => row["interval_minutes"]), [5, 99]);
  }));

Deno.test("store.health.config() has the defaults of a new file, and bounds for what a script has written", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      deepEqual((await store.health.config()).config, {
        enabled: true,
        intervalMinutes: 5,
        maxErrorCount: 5,
        retryAfterHours: 1,
        retryAfterMinutes: null,
        skipIfRecentSuccess: true,
      });
    });
    sql(path, (database) =>
      database.exec(
        "UPDATE health_check_configs SET interval_minutes = 0, max_error_count = NULL, retry_after_hours = 100000, enabled = 'true'",
      ));
    await withStore({ path }, async (store) => {
      const { config } = await store.health.config();
      deepEqual([config.enabled, config.intervalMinutes, config.maxErrorCount, config.retryAfterHours], [
        true,
        1,
        5,
        168,
      ]);
    });
    sql(path, (database) => database.exec("DELETE FROM health_check_configs"));
    await withStore({ path }, async (store) => {
      const { config } = await store.health.config();
      equal(config.intervalMinutes, 5);
      equal((await store.health.setConfig({ ...config, intervalMinutes: 7 })).config.intervalMinutes, 7);
    });
  }));

Deno.test("store.health.checks() pages the history of one provider, newest first, from a time on", () =>
  withStore({}, async (store) => {
    for (const name of ["a", "b"]) await store.providers.create(provider({ name }));
    const checks = Array.from({ length: 25 }, (_, i) => check({ checkedAtMs: NOW_MS + i * 1_000 }));
    const failed = check({
      providerId: 2,
      source: "forced",
      result: "failed",
      statusCode: null,
      latencyMs: null,
      error: "refused",
      model: "",
      promptTokens: null,
      completionTokens: null,
    });
    await store.health.save({ states: [], checks: [...checks, failed] });
    const page = await store.health.checks({ providerId: 1 }, { page: 2, pageSize: 10 });
    equal(page.total, 25);
    deepEqual(page.rows.map(({ checkedAtMs }) => (checkedAtMs - NOW_MS) / 1_000), [
      14,
      13,
      12,
      11,
      10,
      9,
      8,
      7,
      6,
      5,
    ]);
    const late = await store.health.checks({ providerId: 1, sinceMs: NOW_MS + 20_000 }, FIRST_PAGE);
    deepEqual([late.total, late.rows.length], [5, 5]);
    deepEqual((await store.health.checks({ providerId: 2 }, FIRST_PAGE)).rows, [{ id: 26, ...failed }]);
  }));

Deno.test("store.health.pruneChecks() goes by age and by count, in small steps", () =>
  withStore({}, async (store) => {
    for (const name of ["a", "b"]) await store.providers.create(provider({ name }));
    const of = (providerId: number, count: number, from: number) =>
      Array.from({ length: count }, (_, i) => check({ providerId, checkedAtMs: from + i }));
    await store.health.save({
      states: [],
      checks: [...of(1, 12, 1_000), ...of(1, 30, 5_000), ...of(2, 4, 5_000)],
    });
    const retention = { beforeMs: 2_000, perProvider: 20, limit: 5 };
    const steps: number[] = [];
    for (let gone = -1; gone !== 0; steps.push(gone)) gone = await store.health.pruneChecks(retention);
    ok(steps.every((gone) => gone <= 5));
    equal(steps.reduce((sum, gone) => sum + gone), 22);
    const kept = await store.health.checks({ providerId: 1 }, FIRST_PAGE);
    deepEqual([kept.total, kept.rows.at(-1)?.checkedAtMs], [20, 5_010]);
    equal((await store.health.checks({ providerId: 2 }, FIRST_PAGE)).total, 4);
  }));
