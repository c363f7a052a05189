/** Rules of `/api/logs/export`. @module */
import assert from "node:assert/strict";
import type { LogInsert } from "../../src/store/logs.ts";
import { log } from "../store/fixtures.ts";
import { type Admin, startAdmin, TOKEN } from "./harness.ts";

const NOW = Date.UTC(2026, 4, 20, 12);
const DAY_MS = 86_400_000;
const HEADER =
  "ID,CreatedAt,ModelName,ProviderModel,ProviderName,Status,Style,Error,Retry,ProxyTime(ms),FirstChunkTime(ms)," +
  "ChunkTime(ms),TPS,PromptTokens,CompletionTokens,TotalTokens";

async function exporting(inserts: LogInsert[], timeZone = "UTC"): Promise<Admin> {
  const admin = await startAdmin({ now: () => NOW, timeZone });
  await admin.store.logs.write({ inserts, updates: [] });
  return admin;
}

const recent = (fields: Partial<LogInsert> = {}) => log({ startedAtMs: NOW - 3_600_000, ...fields });
const idsIn = (text: string) => text.trimEnd().split("\n").slice(1).map((line) => Number(line.split(",")[0]));

Deno.test("GET /api/logs/export writes the fork's file to the letter", async () => {
  await using admin = await exporting([recent({ tps: 41.9 }), recent({ tps: 0, error: 'say "no", twice' })]);
  const { status, headers, text } = await admin.call("GET", "/logs/export");
  assert.deepEqual(
    [status, headers.get("content-type"), headers.get("content-disposition"), headers.get("cache-control")],
    [200, "text/csv; charset=utf-8", 'attachment; filename="llmio_logs_20260520_120000.csv"', "no-store"],
  );
  assert.equal(
    text,
    `${HEADER}\n` +
      '2,2026-05-20 11:00:00,gpt-4o,gpt-4o-2024-08-06,acme,success,openai,"say ""no"", twice",0,0,820,2040,0.00,820,120,940\n' +
      "1,2026-05-20 11:00:00,gpt-4o,gpt-4o-2024-08-06,acme,success,openai,,0,0,820,2040,41.90,820,120,940\n",
  );
});

Deno.test("GET /api/logs/export tells times in the configured zone, in the file and in its name", async () => {
  await using admin = await exporting([recent()], "Asia/Shanghai");
  const { headers, text } = await admin.call("GET", "/logs/export");
  assert.match(headers.get("content-disposition") ?? "", /llmio_logs_20260520_200000\.csv/);
  assert.equal(text.split("\n")[1]?.split(",")[1], "2026-05-20 19:00:00");
});

Deno.test("GET /api/logs/export lets no name be run as a formula or break a line", async () => {
  const names = ["=1+2", "+cmd", "-2", "@SUM(A1)", "\tx", 'a,"b"\r\nc', "模型", "🦙"];
  await using admin = await exporting(
    names.map((name) => recent({ name, providerName: name, providerModel: name, error: name, tps: -1 })),
  );
  const { text } = await admin.call("GET", "/logs/export");
  const rows = parsed(text).slice(1).reverse();
  const shown = names.map((name) => /^[=+\-@\t]/.test(name) ? `'${name}` : name);
  assert.deepEqual(rows.map((cells) => cells[2]), shown);
  assert.deepEqual(rows.map((cells) => cells[7]), shown);
  assert.ok(rows.every((cells) => cells.length === 16 && cells[12] === "-1.00"));
});

Deno.test("GET /api/logs/export takes the fork's query: seven days unless it is told otherwise, filters exact", async () => {
  await using admin = await exporting([
    recent({ startedAtMs: NOW - 7 * DAY_MS - 1 }),
    recent({ startedAtMs: NOW - 7 * DAY_MS }),
    recent({ providerName: "other" }),
    recent({ name: "claude", style: "anthropic" }),
    recent({ status: "error", outcome: "timeout" }),
  ]);
  const cases: [query: string, ids: number[]][] = [
    ["", [5, 4, 3, 2]],
    ["?days=8", [5, 4, 3, 2, 1]],
    ["?days=1", [5, 4, 3]],
    ["?days=x", [5, 4, 3, 2]],
    ["?days=0", [5, 4, 3, 2]],
    ["?days=-5", [5, 4, 3, 2]],
    ["?provider_name=other", [3]],
    ["?name=claude&style=anthropic", [4]],
    ["?status=error", [5]],
    ["?outcome=timeout", [5]],
    ["?limit=2", [5, 4]],
    ["?limit=99", [5, 4, 3, 2]],
    ["?from=2026-01-01T00:00:00Z", [5, 4, 3, 2, 1]],
    [`?to=${NOW - 7 * DAY_MS + 1}`, [2, 1]],
    ["?name=nobody", []],
    ["?from=2027-01-01T00:00:00Z", []],
  ];
  for (const [query, ids] of cases) {
    assert.deepEqual(idsIn((await admin.call("GET", `/logs/export${query}`)).text), ids, query);
  }
});

Deno.test("GET /api/logs/export refuses what it cannot follow", async () => {
  await using admin = await startAdmin();
  for (
    const query of ["format=xml", "limit=0", "limit=x", "bom=yes", "from=yesterday", "to=2026-05-20", "id=x"]
  ) {
    assert.equal((await admin.call("GET", `/logs/export?${query}`)).status, 400, query);
  }
});

Deno.test("GET /api/logs/export begins with a byte-order mark only when it is asked to", async () => {
  await using admin = await exporting([recent()]);
  const bytes = async (query: string) => {
    const answer = await fetchRaw(admin, query);
    return [...new Uint8Array(await answer.arrayBuffer()).slice(0, 3)];
  };
  assert.deepEqual(await bytes("?bom=1"), [0xef, 0xbb, 0xbf]);
  assert.deepEqual(await bytes(""), [..."ID,"].map((character) => character.charCodeAt(0)));
});

Deno.test("GET /api/logs/export?format=jsonl writes the rows of GET /api/logs, one a line", async () => {
  await using admin = await exporting([recent({ name: "two\nlines" }), recent({ name: "模型" })]);
  const { headers, text } = await admin.call("GET", "/logs/export?format=jsonl");
  assert.equal(headers.get("content-type"), "application/x-ndjson");
  assert.match(headers.get("content-disposition") ?? "", /llmio_logs_20260520_120000\.jsonl/);
  const { data } = await admin.call("GET", "/logs");
  assert.deepEqual(text.trimEnd().split("\n").map((line) => JSON.parse(line)), data.data);
});

Deno.test("GET /api/logs/export writes 100,000 rows without holding them, each once", async () => {
  await using admin = await startAdmin({ now: () => NOW });
  for (let n = 0; n < 100; n++) {
    await admin.store.logs.write({ inserts: Array.from({ length: 1_000 }, () => recent()), updates: [] });
  }
  const answer = await fetchRaw(admin, "");
  let [rows, largest, rest, expected] = [0, 0, "", 100_000];
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    largest = Math.max(largest, chunk.length);
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === HEADER) continue;
      if (Number(line.slice(0, line.indexOf(","))) === expected--) rows++;
    }
  }
  assert.deepEqual([rows, rest], [100_000, ""]);
  assert.ok(largest < 100_000, `a piece of ${largest} bytes`);
});

Deno.test("GET /api/logs/export reads no further than its client does, and stops when the client is gone", async () => {
  await using admin = await exporting(Array.from({ length: 5_000 }, () => recent()));
  let slices = 0;
  const { logs } = admin.store;
  await using watched = await startAdmin({
    now: () => NOW,
    store: {
      ...admin.store,
      logs: { ...logs, slice: (...args) => (slices++, logs.slice(...args)) },
      close: () => Promise.resolve(),
    },
  });
  const reader = (await fetchRaw(watched, "")).body?.getReader();
  await reader?.read();
  await reader?.read();
  assert.ok(slices <= 2, `${slices} slices were read for one`);
  await reader?.cancel();
  const seen = slices;
  await admin.store.ping();
  assert.equal(slices, seen);
});

async function fetchRaw(admin: Admin, query: string): Promise<Response> {
  return await admin.raw(`/api/logs/export${query}`, { headers: { authorization: `Bearer ${TOKEN}` } });
}

/** Reads CSV as RFC 4180 says. */
function parsed(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? plain ?? "");
    if (end === ",") continue;
    if (row.length > 1) rows.push(row);
    row = [];
  }
  return rows;
}
