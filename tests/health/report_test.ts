import assert from "node:assert/strict";
import { dayStatistics, type HealthFacts, healthRow } from "../../src/health/report.ts";
import { type ProviderHealth, UNOBSERVED } from "../../src/health/state.ts";

const NOW = Date.UTC(2026, 4, 20, 12);
const HEALTHY: ProviderHealth = {
  ...UNOBSERVED,
  consecutiveSuccesses: 3,
  lastCheckedAt: NOW - 1_000,
  lastSuccessAt: NOW - 1_000,
  lastLatencyMs: 123.6,
  lastStatusCode: 200,
};

function facts(fields: Partial<HealthFacts> = {}): HealthFacts {
  return {
    provider: {
      id: 7,
      name: "acme",
      type: "openai",
      config: "{}",
      console: "",
      proxy: "",
      errorMatcher: "",
      createdAt: "",
      updatedAt: "",
      enabled: true,
    },
    health: HEALTHY,
    trouble: { cooling: false, badKey: false },
    day: { total: 0, successes: 0, failures: 0, avgMs: 0 },
    now: NOW,
    ...fields,
  };
}

Deno.test("healthRow() has the fork's members, in its order, without those that have nothing to say", () => {
  assert.deepEqual(Object.entries(healthRow(facts())), [
    ["provider_id", 7],
    ["provider_name", "acme"],
    ["provider_type", "openai"],
    ["status", "healthy"],
    ["is_healthy", true],
    ["response_time_ms", 124],
    ["last_checked", "2026-05-20T11:59:59.000Z"],
    ["last_success", "2026-05-20T11:59:59.000Z"],
    ["error_count", 0],
    ["consecutive_successes", 3],
    ["last_status_code", 200],
    ["success_rate_24h", 0],
    ["total_requests_24h", 0],
    ["avg_response_time_ms", 0],
  ]);
});

Deno.test("healthRow() of an unhealthy provider says why and until when", () => {
  const health: ProviderHealth = {
    ...HEALTHY,
    isHealthy: false,
    errorCount: 5,
    lastError: "HTTP 502",
    lastStatusCode: 502,
    nextRetryAt: NOW + 60_000,
  };
  const row = healthRow(facts({ health }));
  assert.deepEqual([row.status, row.is_healthy, row.error_message, row.next_retry_at, row.last_status_code], [
    "unhealthy",
    false,
    "HTTP 502",
    "2026-05-20T12:01:00.000Z",
    502,
  ]);
});

Deno.test("healthRow() of a provider that was never observed is unknown, healthy, and checked now", () => {
  const { health: _, ...rest } = facts();
  const row = healthRow({ ...rest, health: undefined });
  assert.deepEqual([
    row.status,
    row.is_healthy,
    row.last_checked,
    "last_success" in row,
    "last_status_code" in row,
  ], [
    "unknown",
    true,
    "2026-05-20T12:00:00.000Z",
    false,
    false,
  ]);
});

Deno.test("healthRow() shows what holds a provider back, and the operator's switch above all", () => {
  const day = { total: 20, successes: 17, failures: 3, avgMs: 10 };
  const { provider } = facts();
  assert.equal(healthRow(facts({ trouble: { cooling: true, badKey: false } })).status, "degraded");
  assert.equal(healthRow(facts({ trouble: { cooling: false, badKey: true } })).status, "degraded");
  assert.equal(healthRow(facts({ day })).status, "degraded");
  assert.equal(healthRow(facts({ health: { ...HEALTHY, errorCount: 1 } })).status, "degraded");
  const off = { provider: { ...provider, enabled: false }, health: { ...HEALTHY, isHealthy: false } };
  assert.equal(healthRow(facts(off)).status, "disabled");
});

Deno.test("dayStatistics() counts successes against the provider's own failures, and every attempt in the total", () => {
  const common = { model: "m", providerName: "p", requests: 0, totalTokens: 0 };
  const dayOf = dayStatistics([
    {
      ...common,
      ...{ providerId: 7, attempts: 13, successes: 10, responseMs: 8_500 },
      outcomes: { completed: 8, incomplete: 2, server: 3 },
    },
    {
      ...common,
      ...{ providerId: 7, model: "other", attempts: 14, successes: 0, responseMs: 0 },
      outcomes: { timeout: 1, bad_answer: 1, caller_fault: 4, client_gone: 2, rate_limit: 5, constructor: 1 },
    },
    {
      ...common,
      ...{ providerId: 8, attempts: 3, successes: 0, responseMs: 0 },
      outcomes: { network: 2, error: 1 },
    },
  ]);
  assert.deepEqual(dayOf(7), { total: 27, successes: 10, failures: 5, avgMs: 850 });
  assert.deepEqual(dayOf(8), { total: 3, successes: 0, failures: 3, avgMs: 0 });
  assert.deepEqual(dayOf(9), { total: 0, successes: 0, failures: 0, avgMs: 0 });
  const row = healthRow(facts({ day: dayOf(7) }));
  assert.deepEqual([row.success_rate_24h, row.total_requests_24h, row.avg_response_time_ms], [
    66.67,
    27,
    850,
  ]);
});
