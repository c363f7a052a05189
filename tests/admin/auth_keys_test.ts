/** Rules of `/api/auth-keys`. @module */
import assert from "node:assert/strict";
import { hashKey, keyMask } from "../../src/access/key_text.ts";
import { openStore } from "../../src/store/open.ts";
import { inFolder, log, openOnce, provider, sql } from "../store/fixtures.ts";
import { type Admin, type Answer, startAdmin } from "./harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A key that may use everything. */
const KEY = { name: "team-a", allow_all: true };

async function make(admin: Admin, fields: object = {}): Promise<Answer> {
  const answer = await admin.call("POST", "/auth-keys", { ...KEY, ...fields });
  assert.equal(answer.status, 200, answer.text);
  return answer;
}

function refused(answer: Answer, status: number, message: RegExp | string): void {
  assert.deepEqual([answer.status, answer.code, answer.data], [status, status, undefined], answer.text);
  if (typeof message === "string") assert.equal(answer.message, message);
  else assert.match(answer.message, message);
}

/** An admin API at a fixed time over these log rows. */
async function spending(inserts: Parameters<typeof log>[0][]): Promise<Admin> {
  const store = await openStore({ path: ":memory:", timeZone: "UTC" });
  const admin = await startAdmin({ store, now: () => NOW, cnyPerUsd: 8 });
  const rows = inserts.map((fields) => log({ startedAtMs: NOW, authKeyId: 1, ...fields }));
  await store.logs.write({ inserts: rows, updates: [] });
  return admin;
}

Deno.test("POST /api/auth-keys answers llmio's row with the key, and what llmio has not after it", async () => {
  await using admin = await startAdmin();
  const { data } = await admin.call("POST", "/auth-keys", {
    name: " team-a ",
    status: true,
    io_log: false,
    allow_all: false,
    models: ["gpt-4o", " gpt-4o ", "", "claude"],
    expires_at: "2026-12-31T00:00:00+08:00",
  });
  const { CreatedAt: _c, UpdatedAt: _u, Key: key, ...rest } = data;
  assert.match(key, /^sk-llmio-[0-9a-zA-Z]{36}$/);
  assert.deepEqual(Object.keys(data).slice(0, 6), [
    "ID",
    "CreatedAt",
    "UpdatedAt",
    "DeletedAt",
    "Name",
    "Key",
  ]);
  assert.deepEqual(Object.entries(rest), [
    ["ID", 1],
    ["DeletedAt", null],
    ["Name", "team-a"],
    ["Status", true],
    ["IOLog", false],
    ["AllowAll", false],
    ["Models", ["gpt-4o", "claude"]],
    ["ExpiresAt", "2026-12-31T00:00:00+08:00"],
    ["UsageCount", 0],
    ["LastUsedAt", null],
    ["RequestsPerMinute", null],
    ["TokensPerMinute", null],
    ["MaxConcurrent", null],
    ["BudgetDay", null],
    ["BudgetMonth", null],
    ["BudgetTotal", null],
    ["BudgetCurrency", "USD"],
    ["Providers", null],
    ["Tags", []],
    ["Spent", { day: 0, month: 0, total: 0 }],
    ["PreviousUntil", null],
  ]);
  assert.equal(admin.reloads(), 1);
});

Deno.test("POST /api/auth-keys stores the hash of the key and nothing else of it", async () => {
  await using admin = await startAdmin();
  const { data } = await make(admin);
  const stored = await admin.store.authKeys.get(1);
  assert.deepEqual([stored?.key, stored?.hash, stored?.mask], ["", hashKey(data.Key), keyMask(data.Key)]);
  assert.ok(!JSON.stringify(stored).includes(data.Key));
});

Deno.test("POST /api/auth-keys takes every field", async () => {
  await using admin = await startAdmin();
  for (const name of ["one", "two"]) await admin.store.providers.create(provider({ name }));
  const fields = {
    status: false,
    io_log: true,
    allow_all: true,
    models: ["m"],
    expires_at: "2027-01-01T00:00:00.25Z",
    requests_per_minute: 1,
    tokens_per_minute: 100_000,
    max_concurrent: 3,
    budget_day: 0,
    budget_month: 2.5,
    budget_total: 100,
    budget_currency: "CNY",
    providers: [2, 1, 2],
    tags: [" prod ", "eu", "prod", " "],
  };
  const { data } = await make(admin, fields);
  assert.deepEqual(
    [data.Status, data.IOLog, data.AllowAll, data.Models, data.ExpiresAt],
    [false, true, true, ["m"], "2027-01-01T00:00:00.25Z"],
  );
  assert.deepEqual([data.RequestsPerMinute, data.TokensPerMinute, data.MaxConcurrent], [1, 100_000, 3]);
  assert.deepEqual([data.BudgetDay, data.BudgetMonth, data.BudgetTotal], [0, 2.5, 100]);
  assert.deepEqual([data.BudgetCurrency, data.Providers, data.Tags], ["CNY", [2, 1], ["prod", "eu"]]);
});

Deno.test("POST /api/auth-keys takes null for what is absent: on, unlimited, every provider", async () => {
  await using admin = await startAdmin();
  const { data: absent } = await make(admin);
  const { data: none } = await make(admin, {
    name: "b",
    ...{ status: null, io_log: null, models: null, expires_at: null, tags: null, providers: [] },
    ...{ requests_per_minute: null, tokens_per_minute: null, max_concurrent: null },
    ...{ budget_day: null, budget_month: null, budget_total: null },
  });
  assert.equal(absent.Status, true, "llmio makes a key that is never taken");
  const own = ["ID", "Name", "Key", "CreatedAt", "UpdatedAt"];
  const others = (row: object) => Object.entries(row).filter(([member]) => !own.includes(member));
  assert.deepEqual(others(none), others(absent));
});

Deno.test("POST and PUT /api/auth-keys do not use a key that is sent", async () => {
  await using admin = await startAdmin();
  const sent = "sk-llmio-000000000000000000000000000000000000";
  assert.notEqual((await make(admin, { key: sent })).data.Key, sent);
  const before = await admin.store.authKeys.get(1);
  assert.equal((await admin.call("PUT", "/auth-keys/1", { key: sent, Key: sent })).status, 200);
  assert.equal((await admin.store.authKeys.get(1))?.hash, before?.hash);
});

const TIME = "Invalid expires_at format, must be RFC3339";
const MODELS =
  "Invalid request body: models must name at least one model when allow_all is false; or set allow_all to true";
const WHOLE = /must be a whole number, 1 or greater, or null for no limit/;
const AMOUNT = /must be a number, 0 or greater, or null for no limit/;

const REFUSED: readonly [
  rule: string,
  change: Record<string, unknown>,
  status: number,
  message: RegExp | string,
][] = [
  ["no name", { name: undefined }, 400, /name is required/],
  ["an empty name", { name: " " }, 400, /name must not be empty/],
  ["a name that is no text", { name: 7 }, 400, /name must be a string/],
  ["a line break in the name", { name: "a\nb" }, 400, /name must not contain control characters/],
  ["a status that is no boolean", { status: 1 }, 400, /status must be true or false/],
  ["an io_log that is no boolean", { io_log: "yes" }, 400, /io_log must be true or false/],
  ["an allow_all that is no boolean", { allow_all: 0 }, 400, /allow_all must be true or false/],
  ["no model at all", { allow_all: false }, 400, MODELS],
  ["blank models only", { allow_all: false, models: [" "] }, 400, MODELS],
  ["models that are no list", { models: "gpt-4o" }, 400, /models must be an array of strings/],
  ["a model that is no text", { models: ["a", 1] }, 400, /models\.1 must be a string/],
  ["an empty time", { expires_at: "" }, 400, TIME],
  ["a date for a time", { expires_at: "2026-12-31" }, 400, TIME],
  ["a time without a zone", { expires_at: "2026-12-31T00:00:00" }, 400, TIME],
  ["a time with a blank", { expires_at: "2026-12-31 00:00:00Z" }, 400, TIME],
  ["a day that there is not", { expires_at: "2026-02-30T00:00:00Z" }, 400, TIME],
  ["a number for a time", { expires_at: 1 }, 400, /expires_at must be a string \(RFC 3339\) or null/],
  ["no request a minute", { requests_per_minute: 0 }, 400, WHOLE],
  ["half a request", { requests_per_minute: 0.5 }, 400, WHOLE],
  ["a text for tokens", { tokens_per_minute: "10" }, 400, WHOLE],
  ["negative tokens", { tokens_per_minute: -1 }, 400, WHOLE],
  ["nothing at once", { max_concurrent: 0 }, 400, WHOLE],
  ["a negative budget a day", { budget_day: -0.01 }, 400, AMOUNT],
  ["a text for a budget a month", { budget_month: "5" }, 400, AMOUNT],
  ["a negative budget in all", { budget_total: -1 }, 400, AMOUNT],
  ["an unknown currency", { budget_currency: "EUR" }, 400, /budget_currency must be USD or CNY/],
  ["a provider that there is not", { providers: [1, 9] }, 422, /providers 9 does not exist/],
  ["a provider's name", { providers: ["acme"] }, 400, /providers\.0 must be the id of a provider/],
  ["provider 0", { providers: [0] }, 400, /providers\.0 must be the id of a provider/],
  ["tags that are no list", { tags: "prod" }, 400, /tags must be an array of strings/],
  ["a tag that is no text", { tags: [null] }, 400, /tags\.0 must be a string/],
  ["a name that is taken", { name: "taken" }, 409, "Auth key: taken already exists"],
  ["an unknown field", { expiry: null }, 400, /unknown field "expiry"/],
];

Deno.test("POST and PUT /api/auth-keys refuse, and change nothing, for", async (t) => {
  await using admin = await startAdmin();
  await admin.store.providers.create(provider());
  await make(admin, { name: "first" });
  await make(admin, { name: "taken" });
  const before = await admin.store.authKeys.list();
  for (const [rule, change, status, message] of REFUSED) {
    await t.step(rule, async () => {
      refused(await admin.call("POST", "/auth-keys", { ...KEY, name: "new", ...change }), status, message);
      // A field that is left out of a PUT keeps its value.
      if (!Object.values(change).includes(undefined)) {
        refused(await admin.call("PUT", "/auth-keys/1", change), status, message);
      }
      assert.deepEqual(await admin.store.authKeys.list(), before);
    });
  }
});

Deno.test("PUT /api/auth-keys/:id keeps what is left out, but as with llmio not expires_at and io_log", async () => {
  await using admin = await startAdmin();
  const fields = { status: false, io_log: true, models: ["m"], max_concurrent: 2, tags: ["t"] };
  const made = await make(admin, { ...fields, expires_at: "2027-01-01T00:00:00Z" });
  const { data } = await admin.call("PUT", "/auth-keys/1", { name: "renamed" });
  const { UpdatedAt: _, ...changed } = data;
  const { UpdatedAt: _before, ...row } = made.data;
  const expected = { Name: "renamed", Key: keyMask(row.Key), IOLog: false, ExpiresAt: null };
  assert.deepEqual(changed, { ...row, ...expected });
});

Deno.test("PUT /api/auth-keys/:id clears limits and lists with null", async () => {
  await using admin = await startAdmin();
  await admin.store.providers.create(provider());
  const limits = ["requests_per_minute", "tokens_per_minute", "max_concurrent"];
  const budgets = ["budget_day", "budget_month", "budget_total"];
  const all = (value: unknown) => Object.fromEntries([...limits, ...budgets].map((field) => [field, value]));
  await make(admin, { ...all(5), providers: [1], tags: ["t"], models: ["m"] });
  const cleared = { ...all(null), providers: null, tags: null, models: null };
  const { data } = await admin.call("PUT", "/auth-keys/1", cleared);
  const { RequestsPerMinute, TokensPerMinute, MaxConcurrent, BudgetDay, BudgetMonth, BudgetTotal } = data;
  assert.deepEqual(
    [RequestsPerMinute, TokensPerMinute, MaxConcurrent, BudgetDay, BudgetMonth, BudgetTotal],
    Array(6).fill(null),
  );
  assert.deepEqual([data.Providers, data.Tags, data.Models], [null, [], []]);
});

Deno.test("PUT /api/auth-keys/:id refuses to take the last model of a key that may not use all", async () => {
  await using admin = await startAdmin();
  await make(admin, { allow_all: false, models: ["m"] });
  refused(await admin.call("PUT", "/auth-keys/1", { models: [] }), 400, MODELS);
  assert.equal((await admin.call("PUT", "/auth-keys/1", { models: [], allow_all: true })).status, 200);
  refused(await admin.call("PUT", "/auth-keys/1", { allow_all: false }), 400, MODELS);
});

Deno.test("PUT /api/auth-keys/:id takes a row back as it was read", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  await admin.store.providers.create(provider());
  await make(admin, {
    ...{
      io_log: true,
      models: ["m"],
      expires_at: "2027-01-01T00:00:00.25+08:00",
      providers: [1],
      tags: ["t"],
    },
    ...{ requests_per_minute: 5, budget_month: 1.5, budget_currency: "CNY" },
  });
  await admin.call("POST", "/auth-keys/1/rotate", {});
  await admin.store.providers.remove([1]);
  const before = await admin.store.authKeys.get(1);
  const { data: row } = await admin.call("GET", "/auth-keys/1");
  assert.equal((await admin.call("PUT", "/auth-keys/1", row)).status, 200);
  assert.deepEqual(await admin.store.authKeys.get(1), before);
  await admin.call("PUT", "/auth-keys/1", { ...row, Name: "renamed" });
  assert.deepEqual((await admin.store.authKeys.get(1))?.name, "renamed");
  assert.deepEqual((await admin.store.authKeys.get(1))?.hash, before?.hash);
});

Deno.test("GET /api/auth-keys pages, searches and filters", async () => {
  await using admin = await startAdmin();
  await make(admin, { name: "Alpha", tags: ["prod"] });
  await make(admin, { name: "beta", status: false });
  const { data: { Key: key } } = await make(admin, { name: "gamma", allow_all: false, models: ["m"] });
  const page = async (query: string) => {
    const { data } = await admin.call("GET", `/auth-keys?${query}`);
    return [
      data.data.map(({ Name }: { Name: string }) => Name),
      data.total,
      data.page,
      data.page_size,
      data.pages,
    ];
  };
  assert.deepEqual(await page(""), [["gamma", "beta", "Alpha"], 3, 1, 20, 1]);
  assert.deepEqual(await page("page=2&page_size=2"), [["Alpha"], 3, 2, 2, 2]);
  assert.deepEqual(await page("page_size=100&search=+alph+"), [["Alpha"], 1, 1, 100, 1]);
  const names = async (query: string) => (await page(query))[0];
  assert.deepEqual(await names(`search=${key.slice(-4)}`), ["gamma"]);
  assert.deepEqual(await names("status=active"), ["gamma", "Alpha"]);
  assert.deepEqual(await names("status=%20inactive&search="), ["beta"]);
  assert.deepEqual(await names("allow_all=true"), ["beta", "Alpha"]);
  assert.deepEqual(await names("allow_all=false&status="), ["gamma"]);
  assert.deepEqual(await names("tag=prod"), ["Alpha"]);
  assert.deepEqual(await names("tag=pro"), []);
});

Deno.test("GET /api/auth-keys refuses bad parameters with llmio's words", async () => {
  await using admin = await startAdmin();
  const cases: [string, string][] = [
    ["status=on", "Invalid status filter"],
    ["allow_all=1", "Invalid allow_all filter"],
    ["page=0", "invalid page parameter"],
    ["page_size=101", "invalid page_size parameter (1-100)"],
  ];
  for (const [query, message] of cases) {
    refused(await admin.call("GET", `/auth-keys?${query}`), 400, message);
  }
});

Deno.test("GET /api/auth-keys/list names all keys, oldest first, and the admin token last", async () => {
  await using admin = await startAdmin();
  const list = async () => (await admin.call("GET", "/auth-keys/list")).text;
  assert.equal(await list(), '{"code":200,"message":"success","data":[{"id":0,"name":"admin"}]}');
  await make(admin, { name: "b" });
  await make(admin, { name: "a", status: false });
  assert.equal(
    await list(),
    '{"code":200,"message":"success","data":[{"id":1,"name":"b"},{"id":2,"name":"a"},{"id":0,"name":"admin"}]}',
  );
});

Deno.test("PATCH /api/auth-keys/:id/status flips the switch without a body and obeys one", async () => {
  await using admin = await startAdmin();
  await make(admin);
  const flip = async (body?: unknown) => (await admin.call("PATCH", "/auth-keys/1/status", body)).data.Status;
  assert.deepEqual([await flip(), await flip(), await flip({})], [false, true, false]);
  assert.deepEqual([await flip({ status: true }), await flip({ enabled: true })], [true, true]);
  refused(
    await admin.call("PATCH", "/auth-keys/1/status", { status: 1 }),
    400,
    /status must be true or false/,
  );
  // Old programs have made keys with NULL, on which llmio's switch fails.
  await admin.store.authKeys.update(1, { status: null });
  assert.equal(await flip(), true);
});

Deno.test("DELETE /api/auth-keys/:id removes the key and answers its id", async () => {
  await using admin = await startAdmin();
  await make(admin);
  assert.equal(
    (await admin.call("DELETE", "/auth-keys/1")).text,
    '{"code":200,"message":"Deleted","data":{"id":1}}',
  );
  assert.equal((await make(admin)).data.ID, 2, "the name is free again, the id is not");
});

Deno.test("/api/auth-keys/:id answers 404 for an unknown key and 400 for what is no id", async () => {
  await using admin = await startAdmin();
  await make(admin);
  await admin.call("DELETE", "/auth-keys/1");
  const routes = [
    ["GET", ""],
    ["PUT", "", { name: "x" }],
    ["DELETE", ""],
    ["PATCH", "/status"],
    ["POST", "/rotate"],
    ["POST", "/reset-budget"],
  ] as const;
  for (const [method, below, body] of routes) {
    for (const id of [1, 99]) {
      refused(await admin.call(method, `/auth-keys/${id}${below}`, body), 404, "Auth key not found");
    }
    refused(await admin.call(method, `/auth-keys/x${below}`, body), 400, "Invalid ID");
  }
});

Deno.test("POST /api/auth-keys/:id/rotate shows a new key once and lets the old one overlap", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  const { data: made } = await make(admin);
  const { data } = await admin.call("POST", "/auth-keys/1/rotate");
  assert.match(data.Key, /^sk-llmio-[0-9a-zA-Z]{36}$/);
  assert.notEqual(data.Key, made.Key);
  assert.equal(data.PreviousUntil, "2026-05-21T12:00:00.000Z");
  const stored = await admin.store.authKeys.get(1);
  assert.deepEqual(
    [stored?.hash, stored?.mask, stored?.previousHash, stored?.previousUntilMs],
    [hashKey(data.Key), keyMask(data.Key), hashKey(made.Key), NOW + DAY_MS],
  );
  const { data: read } = await admin.call("GET", "/auth-keys/1");
  assert.deepEqual([read.Key, read.PreviousUntil], [keyMask(data.Key), data.PreviousUntil]);
  assert.equal(admin.reloads(), 2);
});

Deno.test("POST /api/auth-keys/:id/rotate takes an overlap of 0 to 720 hours", async () => {
  let now = NOW;
  await using admin = await startAdmin({ now: () => now });
  await make(admin);
  const rotate = (overlap_hours: unknown) => admin.call("POST", "/auth-keys/1/rotate", { overlap_hours });
  assert.equal((await rotate(720)).data.PreviousUntil, new Date(NOW + 30 * DAY_MS).toISOString());
  assert.equal((await rotate(0.5)).data.PreviousUntil, new Date(NOW + HOUR_MS / 2).toISOString());
  now += HOUR_MS;
  assert.equal((await admin.call("GET", "/auth-keys/1")).data.PreviousUntil, null, "it is over");
  assert.equal((await rotate(0)).data.PreviousUntil, null);
  const { hash, previousHash, previousUntilMs } = await admin.store.authKeys.get(1) ?? {};
  assert.deepEqual([previousHash, previousUntilMs], ["", 0]);
  for (const wrong of [-1, 721, "24", null, Infinity]) {
    refused(await rotate(wrong), 400, /overlap_hours must be a number from 0 to 720/);
  }
  refused(await admin.call("POST", "/auth-keys/1/rotate", { hours: 1 }), 400, /unknown field "hours"/);
  assert.equal((await admin.store.authKeys.get(1))?.hash, hash);
});

Deno.test("Spent counts the costs of day, month and all time in the budget's currency", async () => {
  await using admin = await spending([
    { cost: 0.1 },
    { cost: 0.2 },
    { cost: 8, currency: "CNY" },
    { cost: 2, startedAtMs: NOW - DAY_MS },
    { cost: 4, startedAtMs: NOW - 40 * DAY_MS },
    { cost: 64, authKeyId: 2 },
  ]);
  await make(admin);
  assert.deepEqual((await admin.call("GET", "/auth-keys/1")).data.Spent, {
    day: 1.3,
    month: 3.3,
    total: 7.3,
  });
  const { data } = await admin.call("PUT", "/auth-keys/1", { budget_currency: "CNY" });
  assert.deepEqual(data.Spent, { day: 10.4, month: 26.4, total: 58.4 });
  await make(admin, { name: "b" });
  const { data: page } = await admin.call("GET", "/auth-keys");
  assert.deepEqual(page.data.map((row: { Spent: { day: number } }) => row.Spent.day), [64, 10.4]);
});

Deno.test("POST /api/auth-keys/:id/reset-budget lets what was spent so far no longer count", async () => {
  await using admin = await spending([
    { cost: 1 },
    { cost: 8, currency: "CNY" },
    { cost: 2, startedAtMs: NOW - DAY_MS },
    { cost: 4, startedAtMs: NOW - 40 * DAY_MS },
  ]);
  await make(admin);
  const { data } = await admin.call("POST", "/auth-keys/1/reset-budget");
  assert.deepEqual(data.Spent, { day: 0, month: 0, total: 0 });
  assert.deepEqual((await admin.store.authKeys.get(1))?.budgetBaseline, {
    date: "2026-05-20",
    day: { USD: 1, CNY: 8 },
    month: { USD: 3, CNY: 8 },
    total: { USD: 7, CNY: 8 },
  });
  const later = [log({ startedAtMs: NOW, authKeyId: 1, cost: 0.5 })];
  await admin.store.logs.write({ inserts: later, updates: [] });
  assert.deepEqual((await admin.call("GET", "/auth-keys/1")).data.Spent, {
    day: 0.5,
    month: 0.5,
    total: 0.5,
  });
  assert.equal(admin.reloads(), 2);
  refused(await admin.call("POST", "/auth-keys/1/reset-budget", { x: 1 }), 400, /unknown field "x"/);
});

Deno.test("a baseline of yesterday counts for the month alone, one of last month for all time alone", async () => {
  await using admin = await spending([{ cost: 1 }, { cost: 2, startedAtMs: NOW - DAY_MS }]);
  await make(admin);
  const spentWith = async (date: string) => {
    await admin.store.authKeys.resetBudget(1, {
      date,
      day: { USD: 1 },
      month: { USD: 2 },
      total: { USD: 2.5 },
    });
    return (await admin.call("GET", "/auth-keys/1")).data.Spent;
  };
  assert.deepEqual(await spentWith("2026-05-20"), { day: 0, month: 1, total: 0.5 });
  assert.deepEqual(await spentWith("2026-05-19"), { day: 1, month: 1, total: 0.5 });
  assert.deepEqual(await spentWith("2026-04-20"), { day: 1, month: 3, total: 0.5 });
});

Deno.test("today is a day of the configured zone", async () => {
  const store = await openStore({ path: ":memory:", timeZone: "Asia/Tokyo" });
  const evening = Date.UTC(2026, 4, 20, 18);
  await using admin = await startAdmin({ store, timeZone: "Asia/Tokyo", now: () => evening });
  await make(admin);
  await store.logs.write({ inserts: [log({ startedAtMs: evening, authKeyId: 1, cost: 1 })], updates: [] });
  assert.equal((await admin.call("GET", "/auth-keys/1")).data.Spent.day, 1);
  await admin.call("POST", "/auth-keys/1/reset-budget");
  assert.equal((await store.authKeys.get(1))?.budgetBaseline?.date, "2026-05-21");
});

Deno.test("a key that llmio has stored plain is shown as a mask, rotated and switched like any other", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const plain = "sk-llmio-PlainTextOfAnOldProgram0123456789abc";
    await openOnce(path);
    sql(
      path,
      (database) =>
        database.prepare("INSERT INTO auth_keys (name, key, allow_all, models) VALUES (?, ?, 1, '{')")
          .run("old", plain),
    );
    await using admin = await startAdmin({ store: await openStore({ path }), now: () => NOW });
    const { data: row } = await admin.call("GET", "/auth-keys/1");
    assert.deepEqual([row.Key, row.Status, row.Models], ["sk-llmio-****9abc", null, []]);
    assert.equal((await admin.call("PUT", "/auth-keys/1", row)).data.Status, null);
    assert.equal((await admin.call("PATCH", "/auth-keys/1/status")).data.Status, true);
    assert.equal((await admin.store.authKeys.get(1))?.key, plain);

    await admin.call("POST", "/auth-keys/1/rotate", { overlap_hours: 1 });
    const stored = await admin.store.authKeys.get(1);
    assert.deepEqual([stored?.key, stored?.previousHash], ["", hashKey(plain)]);
  }));

Deno.test("no answer holds a key or a hash but the ones that make it; the audit log neither", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const plain = "sk-llmio-QKZVBWXJHGTRPLMNYUDCSEFAQKZVBWXJ1234";
    await openOnce(path);
    sql(
      path,
      (database) =>
        database.prepare("INSERT INTO auth_keys (name, key, allow_all) VALUES (?, ?, 1)").run("old", plain),
    );
    await using admin = await startAdmin({ store: await openStore({ path }), now: () => NOW });
    const { data: made } = await make(admin);
    const { data: rotated } = await admin.call("POST", "/auth-keys/2/rotate");
    const secrets = [plain, made.Key, rotated.Key].flatMap((key) => [key.slice(9, 20), key, hashKey(key)]);
    const answers: Answer[] = [
      await admin.call("PATCH", "/auth-keys/1/status"),
      await admin.call("PUT", "/auth-keys/1", { name: plain.slice(0, 5) }),
      await admin.call("PUT", "/auth-keys/2", { key: "x", name: "renamed" }),
      await admin.call("POST", "/auth-keys/2/reset-budget"),
    ];
    for (const { path, method } of admin.routes) {
      if (method !== "GET") continue;
      for (const id of ["1", "2"]) {
        answers.push(await admin.call(method, path.replace("/api", "").replace(":id", id)));
      }
    }
    answers.push(await admin.call("DELETE", "/auth-keys/2"));
    for (const { text, headers } of answers) {
      const shown = text + JSON.stringify([...headers]);
      for (const secret of secrets) assert.ok(!shown.includes(secret), shown.slice(0, 200));
    }
  }));

Deno.test("changes of auth keys are recorded in the audit log", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  await make(admin);
  await admin.call("PATCH", "/auth-keys/1/status");
  await admin.call("POST", "/auth-keys/1/rotate");
  await admin.call("POST", "/auth-keys/1/reset-budget");
  await admin.call("PUT", "/auth-keys/1", { name: "renamed" });
  await admin.call("DELETE", "/auth-keys/1");
  const { rows } = await admin.store.audit.page({}, { page: 1, pageSize: 20 });
  assert.deepEqual(
    rows.toReversed().map((
      { action, resourceId, changes },
    ) => [action, resourceId, Object.keys(changes).length > 0]),
    ["create", "switch", "rotate", "reset_budget", "update", "delete"]
      .map((verb) => [`auth_key.${verb}`, "1", true]),
  );
});
