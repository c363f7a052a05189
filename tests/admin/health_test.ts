/** Rules of the health routes. @module */
import assert from "node:assert/strict";
import { Ward } from "../health/ward.ts";
import { log } from "../store/fixtures.ts";
import { okChat } from "../upstream/fixtures.ts";
import { json } from "../upstream/replies.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type Admin, startAdmin } from "./harness.ts";

/** The admin API over the store and the service of a ward, which also closes them. */
function adminOf(ward: Ward): Promise<Admin> {
  return startAdmin({ store: ward.store, health: ward.health, onRoutingChange: () => ward.reload() });
}

const CONFIG = {
  Enabled: true,
  IntervalMinutes: 5,
  MaxErrorCount: 5,
  RetryAfterHours: 1,
  enabled: true,
  interval_minutes: 5,
  max_error_count: 5,
  retry_after_hours: 1,
  retry_after_minutes: null,
  skip_if_recent_success: true,
};

Deno.test("GET /api/providers/health lists every provider, oldest first, and calls nobody", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: upstream.url }, { url: upstream.url, type: "anthropic" });
  const admin = await adminOf(ward);
  ward.traffic(1, "ok", { latencyMs: 41.7 });
  const { status, data } = await admin.call("GET", "/providers/health");
  assert.equal(status, 200);
  assert.deepEqual(data, [{
    provider_id: 1,
    provider_name: "provider-1",
    provider_type: "openai",
    status: "healthy",
    is_healthy: true,
    response_time_ms: 42,
    last_checked: "2026-05-20T12:00:00.000Z",
    last_success: "2026-05-20T12:00:00.000Z",
    error_count: 0,
    consecutive_successes: 1,
    last_status_code: 200,
    success_rate_24h: 0,
    total_requests_24h: 0,
    avg_response_time_ms: 0,
  }, {
    provider_id: 2,
    provider_name: "provider-2",
    provider_type: "anthropic",
    status: "unknown",
    is_healthy: true,
    response_time_ms: 0,
    last_checked: "2026-05-20T12:00:00.000Z",
    error_count: 0,
    consecutive_successes: 0,
    success_rate_24h: 0,
    total_requests_24h: 0,
    avg_response_time_ms: 0,
  }]);
  assert.equal(upstream.requests.length, 0);
});

Deno.test("GET /api/providers/health/:id is one row; a bad id is 400, an unknown one 404", async () => {
  await using ward = await Ward.start({ url: "http://127.0.0.1:1" });
  const admin = await adminOf(ward);
  for (let i = 0; i < 5; i++) ward.traffic(1, "failed");
  const { data } = await admin.call("GET", "/providers/health/1");
  assert.deepEqual(
    [
      data.status,
      data.is_healthy,
      data.error_count,
      data.error_message,
      data.last_status_code,
      data.next_retry_at,
    ],
    ["unhealthy", false, 5, "HTTP 502: bad gateway", 502, "2026-05-20T13:00:00.000Z"],
  );
  for (
    const [path, status, message] of [
      ["/providers/health/x", 400, "Invalid provider ID format"],
      ["/providers/health/-1", 400, "Invalid provider ID format"],
      ["/providers/health/77", 404, "Provider not found"],
      ["/providers/health/x/checks", 400, "Invalid provider ID format"],
      ["/providers/health/77/checks", 404, "Provider not found"],
    ] as const
  ) {
    const answer = await admin.call("GET", path);
    assert.deepEqual([answer.status, answer.code, answer.message], [status, status, message], path);
  }
});

Deno.test("POST /api/health-check/force/:id checks at once and answers the new health", async () => {
  await using upstream = await ScriptedUpstream.start(json(503, { error: { message: "down" } }));
  await using ward = await Ward.start({ url: upstream.url });
  const admin = await adminOf(ward);
  for (let i = 0; i < 5; i++) ward.traffic(1, "failed");
  const failed = await admin.call("POST", "/health-check/force/1");
  assert.deepEqual([failed.status, failed.data.status, failed.data.error_count], [200, "unhealthy", 6]);
  upstream.fallback = okChat();
  const { data } = await admin.call("POST", "/health-check/force/1", {});
  assert.deepEqual([data.status, data.error_count, "error_message" in data, "next_retry_at" in data], [
    "healthy",
    0,
    false,
    false,
  ]);
  assert.deepEqual(data, (await admin.call("GET", "/providers/health/1")).data);
  assert.equal(upstream.requests.length, 2);
  assert.equal((await admin.call("POST", "/health-check/force/77")).status, 404);
  assert.equal((await admin.call("POST", "/health-check/force/x")).message, "Invalid provider ID format");
});

Deno.test("GET /api/health-check/config gives both namings", async () => {
  await using ward = await Ward.start();
  const { data } = await (await adminOf(ward)).call("GET", "/health-check/config");
  const { CreatedAt, UpdatedAt, ...rest } = data;
  assert.deepEqual(rest, { ID: 1, DeletedAt: null, ...CONFIG });
  for (const time of [CreatedAt, UpdatedAt]) assert.ok(Date.parse(time) > 0, time);
});

Deno.test("PUT /api/health-check/config takes either naming, keeps what is left out, and prefers snake case", async () => {
  await using ward = await Ward.start();
  const admin = await adminOf(ward);
  const cases: [body: Record<string, unknown>, changed: Record<string, unknown>][] = [
    [{ Enabled: true, IntervalMinutes: 10, MaxErrorCount: 3, RetryAfterHours: 2 }, {
      IntervalMinutes: 10,
      MaxErrorCount: 3,
      RetryAfterHours: 2,
    }],
    [{ interval_minutes: 1440 }, { IntervalMinutes: 1440 }],
    [{ interval_minutes: 7, IntervalMinutes: 8 }, { IntervalMinutes: 7 }],
    [{ IntervalMinutes: 8, interval_minutes: 6 }, { IntervalMinutes: 6 }],
    [{ retry_after_minutes: 10_080 }, { retry_after_minutes: 10_080 }],
    [{ max_error_count: 100 }, { MaxErrorCount: 100 }],
    [{ RetryAfterMinutes: null }, { retry_after_minutes: null }],
    [{ skip_if_recent_success: false, enabled: false }, { skip_if_recent_success: false, Enabled: false }],
    [{}, {}],
  ];
  let expected: Record<string, unknown> = CONFIG;
  for (const [body, changed] of cases) {
    expected = { ...expected, ...changed };
    const { status, data } = await admin.call("PUT", "/health-check/config", body);
    assert.equal(status, 200, JSON.stringify(body));
    const pascal = {
      Enabled: "enabled",
      IntervalMinutes: "interval_minutes",
      MaxErrorCount: "max_error_count",
      RetryAfterHours: "retry_after_hours",
    };
    for (const [name, snake] of Object.entries(pascal)) expected[snake] = expected[name];
    const { ID: _, CreatedAt: __, UpdatedAt: ___, DeletedAt: ____, ...rest } = data;
    assert.deepEqual(rest, expected, JSON.stringify(body));
    assert.deepEqual((await admin.call("GET", "/health-check/config")).data, data);
  }
  const { data } = await admin.call("GET", "/health-check/config");
  const { UpdatedAt: _, ...row } = data;
  const { UpdatedAt: __, ...again } = (await admin.call("PUT", "/health-check/config", data)).data;
  assert.deepEqual(again, row, "a row can be sent back as it was read");
});

Deno.test("PUT /api/health-check/config refuses what is out of bounds, and changes nothing", async () => {
  await using ward = await Ward.start();
  const admin = await adminOf(ward);
  const cases: [body: Record<string, unknown>, field: string][] = [
    [{ interval_minutes: 0 }, "interval_minutes"],
    [{ interval_minutes: 1441 }, "interval_minutes"],
    [{ IntervalMinutes: 1.5 }, "interval_minutes"],
    [{ interval_minutes: "5" }, "interval_minutes"],
    [{ interval_minutes: null }, "interval_minutes"],
    [{ max_error_count: 0 }, "max_error_count"],
    [{ MaxErrorCount: 101 }, "max_error_count"],
    [{ retry_after_hours: 0 }, "retry_after_hours"],
    [{ RetryAfterHours: 169 }, "retry_after_hours"],
    [{ retry_after_hours: 0.5 }, "retry_after_hours"],
    [{ retry_after_minutes: 0 }, "retry_after_minutes"],
    [{ retry_after_minutes: 10_081 }, "retry_after_minutes"],
    [{ enabled: "yes" }, "enabled"],
    [{ Enabled: null }, "enabled"],
    [{ skip_if_recent_success: 1 }, "skip_if_recent_success"],
    [{ interval: 5 }, "interval"],
    [{ enabled: false, interval_minutes: -5 }, "interval_minutes"],
  ];
  for (const [body, field] of cases) {
    const { status, code, message } = await admin.call("PUT", "/health-check/config", body);
    assert.deepEqual([status, code], [400, 400], JSON.stringify(body));
    assert.match(message, new RegExp(`^Invalid request body: .*\\b${field}\\b`));
  }
  const { data } = await admin.call("GET", "/health-check/config");
  assert.deepEqual([data.enabled, data.interval_minutes], [true, 5]);
});

Deno.test("GET /api/providers/health/:id/checks pages the history, and gives the latest for uptime bars", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using ward = await Ward.start({ url: upstream.url });
  const admin = await adminOf(ward);
  upstream.enqueue(json(503, { error: { message: "down" } }));
  for (let i = 0; i < 5; i++) await ward.probe();
  await ward.health.checkNow(1);
  await ward.checks();
  const whole = (await admin.call("GET", "/providers/health/1/checks")).data;
  assert.deepEqual([whole.total, whole.page, whole.page_size, whole.pages, whole.data.length], [
    6,
    1,
    20,
    1,
    6,
  ]);
  const [newest, , , , , oldest] = whole.data;
  const { latency_ms, ...rest } = newest;
  assert.ok(latency_ms >= 0);
  assert.deepEqual(rest, {
    id: 6,
    provider_id: 1,
    checked_at: "2026-05-20T17:00:00.000Z",
    source: "forced",
    result: "ok",
    status_code: 200,
    error: "",
    model: "upstream-model",
    prompt_tokens: 23,
    completion_tokens: 17,
  });
  assert.deepEqual([oldest.result, oldest.source, oldest.status_code, oldest.prompt_tokens], [
    "failed",
    "probe",
    503,
    null,
  ]);
  assert.match(oldest.error, /503.*down/);
  const ids = async (query: string) => {
    const { data } = await admin.call("GET", `/providers/health/1/checks?${query}`);
    return [data.total, data.data.map(({ id }: { id: number }) => id)];
  };
  assert.deepEqual(await ids("page=2&page_size=4"), [6, [2, 1]]);
  assert.deepEqual(await ids("limit=2"), [6, [6, 5]]);
  assert.deepEqual(await ids("since=2026-05-20T16:00:00Z"), [3, [6, 5, 4]]);
  assert.deepEqual(await ids(`since=${Date.UTC(2026, 4, 20, 17)}&limit=1`), [2, [6]]);
  for (const query of ["limit=0", "limit=1001", "limit=x", "since=yesterday", "page=0", "page_size=101"]) {
    assert.equal((await admin.call("GET", `/providers/health/1/checks?${query}`)).status, 400, query);
  }
});

Deno.test("success rate, total and response time come from the request log, by the provider's id", async () => {
  await using ward = await Ward.start({ url: "http://127.0.0.1:1" }, { url: "http://127.0.0.1:1" });
  const admin = await adminOf(ward);
  const startedAtMs = ward.now - 3_600_000;
  const times = {
    startedAtMs,
    proxyTimeNs: 5_000_000,
    firstChunkTimeNs: 25_000_000,
    chunkTimeNs: 80_000_000,
  };
  await ward.store.logs.write({
    inserts: [
      ...Array.from({ length: 3 }, () => log({ ...times, providerId: 1, providerName: "an older name" })),
      log({ ...times, providerId: 1, status: "error", outcome: "server" }),
      log({ ...times, providerId: 1, status: "error", outcome: "caller_fault" }),
      log({ ...times, providerId: 1, startedAtMs: ward.now - 25 * 3_600_000 }),
    ],
    updates: [],
  });
  const { data } = await admin.call("GET", "/providers/health");
  assert.deepEqual(
    data.map((
      row: Record<string, number>,
    ) => [row.success_rate_24h, row.total_requests_24h, row.avg_response_time_ms]),
    [[75, 5, 100], [0, 0, 0]],
  );
});

Deno.test("health routes need the token, have their methods, and are documented", async () => {
  await using ward = await Ward.start({ url: "http://127.0.0.1:1" });
  const admin = await adminOf(ward);
  const routes = [
    ["GET", "/providers/health"],
    ["GET", "/providers/health/1"],
    ["GET", "/providers/health/1/checks"],
    ["POST", "/health-check/force/1"],
    ["GET", "/health-check/config"],
    ["PUT", "/health-check/config"],
  ] as const;
  const { paths } = JSON.parse((await admin.call("GET", "/openapi.json")).text);
  for (const [method, path] of routes) {
    assert.equal((await admin.send(`/api${path}`, { method })).status, 401, path);
    assert.ok(paths[`/api${path.replace("/1", "/{id}")}`]?.[method.toLowerCase()]?.summary, path);
  }
  assert.equal((await admin.call("DELETE", "/providers/health")).status, 400, "no provider is called health");
  assert.equal((await admin.call("POST", "/health-check/config", {})).status, 405);
});
