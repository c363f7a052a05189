/** Rules of the clean-up's routes. @module */
import assert from "node:assert/strict";
import { log } from "../store/fixtures.ts";
import { type Admin, startAdmin } from "./harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12);
const DAY_MS = 86_400_000;

async function aged(days: readonly number[], timeZone = "UTC"): Promise<Admin> {
  const admin = await startAdmin({ now: () => NOW, timeZone });
  const inserts = days.map((age) => log({ startedAtMs: NOW - age * DAY_MS }));
  await admin.store.logs.write({ inserts, updates: [] });
  return admin;
}

const ids = async (admin: Admin) =>
  (await admin.call("GET", "/logs")).data.data.map((row: { ID: number }) => row.ID);

Deno.test("POST /api/logs/cleanup removes by age or by count for good, and says how many", async () => {
  await using admin = await aged([40, 30, 20, 10, 0]);
  assert.deepEqual((await admin.call("POST", "/logs/cleanup", { type: "days", value: 25 })).data, {
    deleted_count: 2,
  });
  assert.deepEqual((await admin.call("POST", "/logs/cleanup", { value: 1, type: "count" })).data, {
    deleted_count: 2,
  });
  assert.deepEqual(await ids(admin), [5]);
});

Deno.test("POST /api/logs/cleanup refuses what llmio refused, in its words", async () => {
  await using admin = await aged([40]);
  const cases: [body: object, message: RegExp][] = [
    [{ type: "days", value: 0 }, /^Value must be greater than 0$/],
    [{ type: "count", value: -1 }, /^Value must be greater than 0$/],
    [{ type: "weeks", value: 1 }, /^Invalid type: must be 'count' or 'days'$/],
    [{ value: 1 }, /^Invalid type: must be 'count' or 'days'$/],
    [{ type: "days" }, /^Invalid request body: value /],
    [{ type: "days", value: "30" }, /^Invalid request body: value /],
    [{ type: "days", value: 1.5 }, /^Invalid request body: value /],
    [{ type: "days", value: 1, keep: 2 }, /unknown field "keep"/],
    [{ type: "days", value: 100_000_000 }, /^Value must be at most 36500 days$/],
  ];
  for (const [body, message] of cases) {
    const answer = await admin.call("POST", "/logs/cleanup", body);
    assert.deepEqual([answer.status, answer.code], [400, 400], JSON.stringify(body));
    assert.match(answer.message, message);
  }
  assert.deepEqual(await ids(admin), [1]);
});

Deno.test("GET /api/logs/cleanup/history answers llmio's rows, newest first", async () => {
  await using admin = await aged([40, 30, 20]);
  assert.deepEqual((await admin.call("GET", "/logs/cleanup/history?page_size=10")).data, {
    data: [],
    total: 0,
    page: 1,
    page_size: 10,
    pages: 0,
  });
  await admin.call("POST", "/logs/cleanup", { type: "days", value: 25 });
  await admin.call("POST", "/logs/cleanup", { type: "count", value: 5 });
  const { data } = await admin.call("GET", "/logs/cleanup/history?page_size=10");
  assert.deepEqual([data.total, data.page, data.page_size, data.pages], [2, 1, 10, 1]);
  const [count, days] = data.data;
  assert.deepEqual(Object.keys(days), [
    "ID",
    "CreatedAt",
    "UpdatedAt",
    "DeletedAt",
    "RetentionDays",
    "DeletedCount",
    "DurationMs",
    "Source",
    "Type",
  ]);
  assert.deepEqual([days.ID, days.RetentionDays, days.DeletedCount, days.Source, days.Type], [
    1,
    25,
    2,
    "manual",
    "days",
  ]);
  assert.deepEqual([count.ID, count.RetentionDays, count.DeletedCount, count.Type], [2, 0, 0, "count"]);
  assert.ok(Number.isInteger(days.DurationMs) && Date.parse(days.CreatedAt) > 0);
});

Deno.test("DELETE /api/logs/clear removes older rows for good and says from when on it kept them", async () => {
  await using admin = await aged([40, 30, 20, 0], "Asia/Shanghai");
  assert.deepEqual((await admin.call("DELETE", "/logs/clear?days=25")).data, {
    deleted_count: 2,
    cutoff_date: "2026-04-25 20:00:00",
  });
  assert.deepEqual(await ids(admin), [4, 3]);
  assert.deepEqual((await admin.call("DELETE", "/logs/clear?days=0")).data, {
    deleted_count: 2,
    cutoff_date: "2026-05-20 20:00:00",
  });
});

Deno.test("DELETE /api/logs/clear removes nothing unless it is told how much", async () => {
  await using admin = await aged([40]);
  for (const query of ["", "?days=", "?days=-1", "?days=x", "?days=1.5"]) {
    assert.equal((await admin.call("DELETE", `/logs/clear${query}`)).status, 400, query);
  }
  assert.deepEqual(await ids(admin), [1]);
});

Deno.test("GET /api/logs/:id/chat-io answers llmio's row, or 404", async () => {
  const io = {
    id: 55,
    createdAt: "2026-05-20T11:59:02+08:00",
    updatedAt: "2026-05-20T11:59:04+08:00",
    logId: 3001,
    input: '{"model":"gpt-4o","stream":true}',
    text: "",
    events: ['{"choices":[]}'],
    style: "openai",
  };
  await using plain = await startAdmin();
  await using admin = await startAdmin({
    store: {
      ...plain.store,
      chatIo: { ofLog: (id) => Promise.resolve(id === 3001 ? io : null) },
      close: () => Promise.resolve(),
    },
  });
  assert.deepEqual(Object.entries((await admin.call("GET", "/logs/3001/chat-io")).data), [
    ["ID", 55],
    ["CreatedAt", io.createdAt],
    ["UpdatedAt", io.updatedAt],
    ["DeletedAt", null],
    ["LogId", 3001],
    ["Input", io.input],
    ["OfString", ""],
    ["OfStringArray", io.events],
    ["Style", "openai"],
  ]);
  const missing = await plain.call("GET", "/logs/3001/chat-io");
  assert.deepEqual([missing.status, missing.code, missing.message], [404, 404, "ChatIO not found"]);
  assert.equal((await plain.call("GET", "/logs/x/chat-io")).status, 400);
});
