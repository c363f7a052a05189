/** Rules of `/api/usage`. @module */
import assert from "node:assert/strict";
import { PRICE_LIST } from "../../src/accounting/pricing.ts";
import type { LogInsert } from "../../src/store/logs.ts";
import { openStore } from "../../src/store/open.ts";
import { log } from "../store/fixtures.ts";
import { type Admin, startAdmin } from "./harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12);
const DAY_MS = 86_400_000;

async function reporting(inserts: LogInsert[], timeZone = "UTC"): Promise<Admin> {
  const store = await openStore({ path: ":memory:", timeZone });
  const admin = await startAdmin({ store, timeZone, now: () => NOW });
  await store.logs.write({ inserts, updates: [] });
  return admin;
}

const used = (days: number, fields: Partial<LogInsert> = {}) =>
  log({ startedAtMs: NOW - days * DAY_MS, providerId: null, providerName: "acme", cost: 0.25, ...fields });

Deno.test("GET /api/usage answers the last thirty days by day, with sums and a cost for each currency", async () => {
  await using admin = await reporting([
    used(0),
    used(0, { retry: 1, status: "error", outcome: "server", cost: 0 }),
    used(1, { currency: "CNY", cost: 0.1 }),
    used(1, { currency: "CNY", cost: 0.2 }),
    used(29),
    used(30),
  ]);
  const { data } = await admin.call("GET", "/usage");
  assert.deepEqual(
    [data.from, data.to, data.time_zone, data.group_by, data.price_list],
    ["2026-04-21", "2026-05-20", "UTC", ["day"], PRICE_LIST],
  );
  assert.deepEqual(
    data.rows.map((row: Record<string, unknown>) => [row.day, row.currency, row.requests, row.cost]),
    [
      ["2026-04-21", "USD", 1, 0.25],
      ["2026-05-19", "CNY", 2, 0.3],
      ["2026-05-20", "USD", 1, 0.25],
    ],
  );
  assert.deepEqual(Object.keys(data.rows[0]), [
    "day",
    "currency",
    "requests",
    "attempts",
    "successes",
    "failures",
    "caller_errors",
    "cancelled",
    "limited",
    "gateway_errors",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "estimated",
    "unmeasured",
    "cost",
    "avg_response_ms",
    "last_used_at",
  ]);
  const { totals } = data;
  assert.deepEqual(
    [
      totals.requests,
      totals.attempts,
      totals.successes,
      totals.failures,
      totals.total_tokens,
      totals.last_used_at,
    ],
    [4, 5, 4, 1, 5 * 940, new Date(NOW).toISOString()],
  );
  assert.deepEqual(totals.costs, [{ currency: "CNY", cost: 0.3 }, { currency: "USD", cost: 0.5 }]);
  assert.equal(totals.avg_response_ms, 2860.25);
});

Deno.test("GET /api/usage begins days in the configured zone, and today where the zone is", async () => {
  // 00:30 on the 21st in Kiritimati (UTC+14) is 10:30 on the 20th in UTC.
  await using admin = await reporting(
    [log({ startedAtMs: Date.UTC(2026, 4, 20, 10, 30) })],
    "Pacific/Kiritimati",
  );
  const { data } = await admin.call("GET", "/usage?days=1");
  assert.deepEqual([data.from, data.to, data.rows.length, data.rows[0].day], [
    "2026-05-21",
    "2026-05-21",
    1,
    "2026-05-21",
  ]);
});

Deno.test("GET /api/usage groups by what it is asked for and filters exactly", async () => {
  await using admin = await reporting([
    used(0, { name: "a", authKeyId: 3, style: "openai" }),
    used(0, { name: "a", authKeyId: 0, style: "anthropic" }),
    used(1, { name: "b", authKeyId: 0, style: "openai", providerName: "other" }),
  ]);
  const rows = async (query: string) => (await admin.call("GET", `/usage?${query}`)).data.rows;
  const by = async (query: string, ...members: string[]) =>
    (await rows(query)).map((row: Record<string, unknown>) => members.map((member) => row[member]));
  assert.deepEqual(await by("group_by=model", "model", "requests"), [["a", 2], ["b", 1]]);
  assert.deepEqual(await by("group_by=provider", "provider_id", "provider_name", "requests"), [
    [0, "acme", 2],
    [0, "other", 1],
  ]);
  assert.deepEqual(await by("group_by=key,style", "auth_key_id", "key_name", "style", "requests"), [
    [0, "admin", "anthropic", 1],
    [0, "admin", "openai", 1],
    [3, "", "openai", 1],
  ]);
  assert.deepEqual(await by("group_by=currency", "currency", "requests"), [["USD", 3]]);
  assert.equal("day" in (await rows("group_by=model"))[0], false);
  assert.deepEqual(await by("model=b", "day", "requests"), [["2026-05-19", 1]]);
  assert.deepEqual(await by("auth_key_id=0&style=openai", "requests"), [[1]]);
  assert.deepEqual(await by("provider_id=5", "requests"), []);
  assert.deepEqual(await by("from=2026-05-20&to=2026-05-20", "requests"), [[2]]);
  assert.deepEqual(await by("to=2026-05-19", "requests"), [[1]]);
});

Deno.test("GET /api/usage of no day that was used has no rows, no costs and sums of nothing", async () => {
  await using admin = await reporting([]);
  const { data } = await admin.call("GET", "/usage");
  assert.deepEqual([data.rows, data.totals.requests, data.totals.costs, data.totals.last_used_at], [
    [],
    0,
    [],
    null,
  ]);
});

Deno.test("GET /api/usage refuses days that there are not, and contradictions", async () => {
  await using admin = await reporting([]);
  const cases: [query: string, message: RegExp][] = [
    ["from=2026-02-30", /^invalid from parameter/],
    ["to=yesterday", /^invalid to parameter/],
    ["days=0", /^invalid days parameter/],
    ["from=2026-05-01&days=3", /exclude each other/],
    ["from=2026-05-21&to=2026-05-20", /is later than to/],
    ["group_by=day,weather", /^invalid group_by parameter \(day, provider, model, key, style, currency/],
    ["format=xml", /^invalid format parameter/],
    ["provider_id=acme", /^invalid provider_id parameter/],
  ];
  for (const [query, message] of cases) {
    const answer = await admin.call("GET", `/usage?${query}`);
    assert.equal(answer.status, 400, query);
    assert.match(answer.message, message);
  }
});

Deno.test("GET /api/usage?format=csv writes the same rows as a file, with names kept from being formulas", async () => {
  await using admin = await reporting([used(0, { name: "=1+2" }), used(0, { name: "模型,x" })]);
  const { headers, text } = await admin.call("GET", "/usage?format=csv&group_by=day,model,provider&days=7");
  assert.equal(headers.get("content-type"), "text/csv; charset=utf-8");
  assert.equal(
    headers.get("content-disposition"),
    'attachment; filename="llmio_usage_2026-05-14_2026-05-20.csv"',
  );
  const figures = "1,1,1,0,0,0,0,0,820,120,940,512,30,40,0,0,0.25,2860.25,2026-05-20T12:00:00.000Z";
  assert.equal(
    text,
    "day,model,provider_id,provider_name,currency,requests,attempts,successes,failures,caller_errors,cancelled," +
      "limited,gateway_errors,prompt_tokens,completion_tokens,total_tokens,cached_tokens,cache_write_tokens," +
      "reasoning_tokens,estimated,unmeasured,cost," +
      "avg_response_ms,last_used_at\n" +
      `2026-05-20,'=1+2,0,acme,USD,${figures}\n2026-05-20,"模型,x",0,acme,USD,${figures}\n`,
  );
});
