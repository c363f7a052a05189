/** Rules of `/api/logs`. @module */
import assert from "node:assert/strict";
import type { LogInsert } from "../../src/store/logs.ts";
import { log } from "../store/fixtures.ts";
import { startAdmin } from "./harness.ts";

const LOG = log({
  startedAtMs: Date.UTC(2026, 4, 20, 11, 59, 1, 250),
  traceId: "aZ09bY18cX",
  providerName: "Acme West",
  userAgent: "OpenAI/JS 5.1",
  remoteIp: "203.0.113.9",
  sessionId: "s-1",
  chatIo: true,
  retry: 1,
});

Deno.test("GET /api/logs answers llmio's rows, in llmio's order and mixture of namings", async () => {
  await using admin = await startAdmin();
  await admin.store.logs.write({ inserts: [LOG], updates: [] });
  const { data } = await admin.call("GET", "/logs?page=1&page_size=20&status=success");
  assert.deepEqual(Object.keys(data), ["data", "total", "page", "page_size", "pages"]);
  assert.deepEqual([data.total, data.page, data.page_size, data.pages], [1, 1, 20, 1]);
  const [{ CreatedAt, UpdatedAt, ...row }] = data.data;
  assert.equal(Date.parse(CreatedAt), LOG.startedAtMs);
  assert.ok(Date.parse(UpdatedAt) > 0);
  assert.deepEqual(Object.keys(data.data[0]).slice(0, 4), ["ID", "CreatedAt", "UpdatedAt", "DeletedAt"]);
  assert.deepEqual(Object.entries(row), [
    ["ID", 1],
    ["DeletedAt", null],
    ["Name", "gpt-4o"],
    ["TraceID", "aZ09bY18cX"],
    ["ProviderModel", "gpt-4o-2024-08-06"],
    ["ProviderName", "Acme West"],
    ["Status", "success"],
    ["Style", "openai"],
    ["UserAgent", "OpenAI/JS 5.1"],
    ["RemoteIP", "203.0.113.9"],
    ["AuthKeyID", 0],
    ["SessionID", "s-1"],
    ["ChatIO", true],
    ["Error", ""],
    ["Retry", 1],
    ["ProxyTime", 412_000],
    ["FirstChunkTime", 820_113_000],
    ["ChunkTime", 2_040_551_000],
    ["Tps", 41.9],
    ["Size", 18_342],
    ["prompt_tokens", 820],
    ["completion_tokens", 120],
    ["total_tokens", 940],
    ["prompt_tokens_details", { cached_tokens: 512, audio_tokens: 0 }],
    ["input_price", 2.5],
    ["cache_read_price", 1.25],
    ["output_price", 10],
    ["currency", "USD"],
    ["key_name", "admin"],
    ["Outcome", "completed"],
    ["StatusCode", 200],
    ["UsageSource", "measured"],
    ["CacheWriteTokens", 30],
    ["ReasoningTokens", 40],
    ["Cost", 0],
    ["CostSource", ""],
  ]);
});

Deno.test("GET /api/logs filters exactly by every field, combined with AND, newest first", async () => {
  await using admin = await startAdmin();
  const inserts: LogInsert[] = [
    LOG,
    { ...LOG, providerName: "Other", status: "error", outcome: "timeout" },
    { ...LOG, name: "claude", style: "anthropic", authKeyId: 7 },
    { ...LOG, traceId: "other", sessionId: "", providerModel: "m2", startedAtMs: Date.UTC(2026, 4, 20, 12) },
  ];
  await admin.store.logs.write({ inserts, updates: [] });
  const ids = async (query: string) =>
    (await admin.call("GET", `/logs?${query}`)).data.data.map((row: { ID: number }) => row.ID);
  const cases: [string, number[]][] = [
    ["", [4, 3, 2, 1]],
    ["provider_name=Other", [2]],
    ["provider_name=other", []],
    ["name=claude", [3]],
    ["status=error", [2]],
    ["style=anthropic", [3]],
    ["provider_model=m2", [4]],
    ["auth_key_id=7", [3]],
    ["auth_key_id=0", [4, 2, 1]],
    ["trace_id=other", [4]],
    ["session_id=s-1", [3, 2, 1]],
    ["id=2", [2]],
    ["name=gpt-4o&status=success", [4, 1]],
    ["name=&status=&id=&auth_key_id=&provider_model=", [4, 3, 2, 1]],
    ["days=7&whatever=1", [4, 3, 2, 1]],
    ["page=2&page_size=3", [1]],
    ["page=9", []],
    ["outcome=timeout", [2]],
    ["outcome=completed&name=gpt-4o", [4, 1]],
    ["from=2026-05-20T12:00:00Z", [4]],
    ["from=2026-05-20T20:00:00%2B08:00", [4]],
    ["from=2026-05-20T20:00:00+08:00", [4]],
    [`to=${LOG.startedAtMs}`, []],
    [`from=${LOG.startedAtMs}&to=${LOG.startedAtMs + 1}&status=success`, [3, 1]],
    ["from=&to=&outcome=", [4, 3, 2, 1]],
  ];
  for (const [query, expected] of cases) assert.deepEqual(await ids(query), expected, query);
});

Deno.test("GET /api/logs refuses bad parameters", async () => {
  await using admin = await startAdmin();
  const cases: [string, string][] = [
    ["page=0", "invalid page parameter"],
    ["page_size=101", "invalid page_size parameter (1-100)"],
    ["id=x", "invalid id parameter"],
    ["auth_key_id=-1", "invalid auth_key_id parameter"],
    ["before_id=x", "invalid before_id parameter"],
    ["before_id=3&page=2", "page and before_id exclude each other: leave page out"],
    ["from=2026-05-20", "invalid from parameter (RFC 3339 time with a zone, or epoch milliseconds)"],
    ["to=now", "invalid to parameter (RFC 3339 time with a zone, or epoch milliseconds)"],
  ];
  for (const [query, message] of cases) {
    const answer = await admin.call("GET", `/logs?${query}`);
    assert.deepEqual([answer.status, answer.code, answer.message], [400, 400, message]);
  }
});

Deno.test("GET /api/logs?before_id= goes on where a page has ended, whatever has been added since", async () => {
  await using admin = await startAdmin();
  const add = (count: number) =>
    admin.store.logs.write({ inserts: Array.from({ length: count }, () => LOG), updates: [] });
  await add(7);
  const seen: number[] = [];
  for (let query = "page_size=3";;) {
    const { data } = await admin.call("GET", `/logs?${query}`);
    const ids = data.data.map((row: { ID: number }) => row.ID);
    if (ids.length === 0) break;
    seen.push(...ids);
    query = `page_size=3&before_id=${ids.at(-1)}`;
    await add(2);
  }
  assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1]);
});

Deno.test("GET /api/user-agents answers each user agent once", async () => {
  await using admin = await startAdmin();
  assert.deepEqual((await admin.call("GET", "/user-agents")).data, []);
  const inserts = ["curl", "", "curl"].map((userAgent) => ({ ...LOG, userAgent }));
  await admin.store.logs.write({ inserts, updates: [] });
  assert.deepEqual((await admin.call("GET", "/user-agents")).data, ["curl"]);
});
