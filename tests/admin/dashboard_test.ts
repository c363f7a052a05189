/** Rules of the fork's dashboard. @module */
import assert from "node:assert/strict";
import type { LogInsert } from "../../src/store/logs.ts";
import { Ward } from "../health/ward.ts";
import { log, model, provider } from "../store/fixtures.ts";
import { type Admin, startAdmin } from "./harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12) + 700;
const HOUR_MS = 3_600_000;

async function watching(inserts: Partial<LogInsert>[]): Promise<Admin> {
  const admin = await startAdmin({ now: () => NOW });
  await admin.store.providers.create(provider({ name: "acme" }));
  await admin.store.providers.create(provider({ name: "other" }));
  await admin.store.models.create(model());
  await admin.store.logs.write({
    inserts: inserts.map((fields) =>
      log({
        startedAtMs: NOW - 60_000,
        proxyTimeNs: 1e6,
        firstChunkTimeNs: 11e6,
        chunkTimeNs: 90e6,
        ...fields,
      })
    ),
    updates: [],
  });
  return admin;
}

const failed = { status: "error", outcome: "server", totalTokens: 0 } as const;

Deno.test("GET /api/dashboard/stats answers the fork's members about the last 24 hours", async () => {
  await using admin = await watching([
    {},
    { ...failed },
    { retry: 1, providerId: 2, providerName: "other" },
    { ...failed, outcome: "caller_fault", name: "claude" },
    { startedAtMs: NOW - 24 * HOUR_MS - 1 },
    { status: "running", outcome: "" },
  ]);
  const { data } = await admin.call("GET", "/dashboard/stats");
  assert.deepEqual(data, {
    total_providers: 2,
    healthy_providers: 0,
    total_models: 1,
    total_requests_24h: 3,
    success_requests_24h: 2,
    failed_requests_24h: 1,
    avg_response_time_ms: 100,
    total_tokens_24h: 1880,
    top_models: [
      {
        model_name: "gpt-4o",
        request_count: 2,
        success_rate: 100,
        total_tokens: 1880,
        avg_response_time_ms: 100,
      },
      { model_name: "claude", request_count: 1, success_rate: 0, total_tokens: 0, avg_response_time_ms: 0 },
    ],
    top_providers: [
      {
        provider_name: "acme",
        request_count: 3,
        success_rate: 50,
        total_tokens: 940,
        avg_response_time_ms: 100,
      },
      {
        provider_name: "other",
        request_count: 1,
        success_rate: 100,
        total_tokens: 940,
        avg_response_time_ms: 100,
      },
    ],
  });
});

Deno.test("GET /api/dashboard/stats shows the five most used models and providers, by their names of today", async () => {
  const inserts = [1, 2, 3, 4, 5, 6].flatMap((count) =>
    Array.from(
      { length: count },
      () => ({ name: `m${count}`, providerId: count, providerName: "as it was called then" }),
    )
  );
  await using admin = await watching(inserts);
  for (const name of ["p3", "p4", "p5", "p6"]) await admin.store.providers.create(provider({ name }));
  const { data } = await admin.call("GET", "/dashboard/stats");
  assert.deepEqual(data.top_models.map((row: { model_name: string }) => row.model_name), [
    "m6",
    "m5",
    "m4",
    "m3",
    "m2",
  ]);
  assert.deepEqual(
    data.top_providers.map((row: { provider_name: string }) => row.provider_name),
    ["p6", "p5", "p4", "p3", "other"],
  );
});

Deno.test("GET /api/dashboard/stats counts a refused request, and gives no provider the blame", async () => {
  await using admin = await watching([{
    ...failed,
    outcome: "caller_fault",
    providerId: null,
    providerName: "",
  }]);
  const { data } = await admin.call("GET", "/dashboard/stats");
  assert.deepEqual([data.total_requests_24h, data.failed_requests_24h, data.top_providers], [1, 1, []]);
});

Deno.test("GET /api/dashboard/stats finds those healthy that their health finds so, by the log of the same 24 hours", async () => {
  const url = "http://127.0.0.1:9";
  await using ward = await Ward.start(...Array.from({ length: 5 }, () => ({ url })));
  const { store, health } = ward;
  const admin = await startAdmin({ store, health, now: () => NOW });
  for (const id of [1, 2, 3, 4]) ward.traffic(id, "ok");
  const startedAtMs = NOW - HOUR_MS;
  const rows = (providerId: number, count: number, fields: Partial<LogInsert>) =>
    Array.from({ length: count }, () => log({ providerId, startedAtMs, ...fields }));
  await store.logs.write({
    inserts: [
      ...rows(1, 20, {}),
      ...rows(2, 8, { name: "other" }),
      ...rows(2, 1, { ...failed, name: "m1" }),
      ...rows(2, 1, { ...failed, name: "m2" }),
      ...rows(3, 9, {}),
      ...rows(3, 9, { ...failed, outcome: "caller_fault" }),
      ...rows(3, 9, { ...failed, startedAtMs: NOW - 25 * HOUR_MS }),
      ...rows(4, 20, { status: "running", outcome: "" }),
    ],
    updates: [],
  });
  const { data: verdicts } = await admin.call("GET", "/providers/health");
  assert.deepEqual(
    verdicts.map(({ status }: { status: string }) => status),
    ["healthy", "degraded", "healthy", "healthy", "unknown"],
  );
  assert.equal((await admin.call("GET", "/dashboard/stats")).data.healthy_providers, 3);
});

Deno.test("GET /api/dashboard/realtime answers the last hour", async () => {
  await using admin = await watching([{}, {}, { ...failed }, { startedAtMs: NOW - HOUR_MS - 1 }]);
  assert.deepEqual((await admin.call("GET", "/dashboard/realtime")).data, {
    requests_1h: 3,
    success_rate_1h: 66.67,
    avg_response_time_1h: 100,
    timestamp: Math.floor(NOW / 1000),
  });
});

Deno.test("GET /api/dashboard answers zeros before the first request", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  assert.deepEqual((await admin.call("GET", "/dashboard/realtime")).data, {
    requests_1h: 0,
    success_rate_1h: 0,
    avg_response_time_1h: 0,
    timestamp: Math.floor(NOW / 1000),
  });
  const { data } = await admin.call("GET", "/dashboard/stats");
  assert.deepEqual([data.total_requests_24h, data.top_models, data.top_providers], [0, [], []]);
});
