/** Rules of the web UI's figures: `/api/metrics`. @module */
import assert from "node:assert/strict";
import type { LogInsert } from "../../src/store/logs.ts";
import { openStore } from "../../src/store/open.ts";
import { log } from "../store/fixtures.ts";
import { startAdmin } from "./harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12);
const HOUR_MS = 3_600_000;

async function counting(inserts: LogInsert[], timeZone = "UTC") {
  const store = await openStore({ path: ":memory:", timeZone });
  const admin = await startAdmin({ store, timeZone, now: () => NOW });
  await admin.store.logs.write({ inserts, updates: [] });
  return admin;
}

const calls = (count: number, fields: Partial<LogInsert>) =>
  Array.from({ length: count }, () => log({ startedAtMs: NOW, ...fields }));

Deno.test("GET /api/metrics/use/:days counts from the local midnight of that many days ago until now", async () => {
  const at = (hours: number) => log({ startedAtMs: NOW - hours * HOUR_MS, totalTokens: 10 });
  // In Shanghai it is 20:00.
  await using admin = await counting([at(0), at(20), at(20.001), at(44), at(45)], "Asia/Shanghai");
  const use = async (days: string) => (await admin.call("GET", `/metrics/use/${days}`)).data;
  assert.deepEqual(await use("0"), { reqs: 2, tokens: 20 });
  assert.deepEqual(await use("1"), { reqs: 4, tokens: 40 });
  assert.deepEqual(await use("30"), { reqs: 5, tokens: 50 });
  assert.deepEqual(await use("999999999"), { reqs: 5, tokens: 50 });
  assert.deepEqual(await use("-1"), { reqs: 0, tokens: 0 });
});

Deno.test("GET /api/metrics/use/:days counts a request once and the tokens of all its attempts", async () => {
  await using admin = await counting([
    log({ startedAtMs: NOW, status: "error", outcome: "server", totalTokens: 0 }),
    log({ startedAtMs: NOW, retry: 1, status: "error", outcome: "bad_answer", totalTokens: 3 }),
    log({ startedAtMs: NOW, retry: 2, totalTokens: 40 }),
  ]);
  assert.deepEqual((await admin.call("GET", "/metrics/use/0")).data, { reqs: 1, tokens: 43 });
});

Deno.test("GET /api/metrics/use/:days refuses what is no number", async () => {
  await using admin = await counting([]);
  for (const days of ["x", "1.5", "9999999999", "1d"]) {
    const answer = await admin.call("GET", `/metrics/use/${days}`);
    assert.deepEqual(
      [answer.status, answer.code, answer.message],
      [400, 400, "Invalid days parameter"],
      days,
    );
  }
});

Deno.test("GET /api/metrics/counts answers five models, most requests first, and the others together", async () => {
  const models = [3, 9, 5, 7, 1, 2, 8].flatMap((count, n) => calls(count, { name: `m${n}` }));
  await using admin = await counting([...models, ...calls(4, { name: "m4", retry: 1 })]);
  assert.deepEqual((await admin.call("GET", "/metrics/counts")).data, [
    { model: "m1", calls: 9 },
    { model: "m6", calls: 8 },
    { model: "m3", calls: 7 },
    { model: "m2", calls: 5 },
    { model: "m0", calls: 3 },
    { model: "others", calls: 3 },
  ]);
});

Deno.test("GET /api/metrics/counts names no others when there are five models", async () => {
  await using admin = await counting([1, 2, 3, 4, 5].flatMap((count) => calls(count, { name: `m${count}` })));
  const { data } = await admin.call("GET", "/metrics/counts");
  assert.deepEqual(data.map((row: { model: string }) => row.model), ["m5", "m4", "m3", "m2", "m1"]);
});

Deno.test("GET /api/metrics/counts and projects are empty lists before the first request", async () => {
  await using admin = await counting([]);
  assert.deepEqual((await admin.call("GET", "/metrics/counts")).data, []);
  assert.deepEqual((await admin.call("GET", "/metrics/projects")).data, []);
});

Deno.test("GET /api/metrics/projects counts by auth key: admin for none, - for keys that are gone", async () => {
  await using admin = await counting([...calls(3, { authKeyId: 0 }), ...calls(5, { authKeyId: 7 })]);
  assert.deepEqual((await admin.call("GET", "/metrics/projects")).data, [
    { project: "-", calls: 5 },
    { project: "admin", calls: 3 },
  ]);
});

Deno.test("GET /api/metrics keeps its figures when the log is cleaned up", async () => {
  await using admin = await counting(calls(5, {}));
  const ask = async () => [
    (await admin.call("GET", "/metrics/use/0")).data,
    (await admin.call("GET", "/metrics/counts")).data,
    (await admin.call("GET", "/metrics/projects")).data,
  ];
  const before = await ask();
  await admin.call("DELETE", "/logs/clear?days=0");
  assert.equal((await admin.call("GET", "/logs")).data.total, 0);
  assert.deepEqual(await ask(), before);
});
