import { deepEqual, equal } from "node:assert/strict";
import type { LogFilter, LogInsert } from "../../src/store/logs.ts";
import type { Store } from "../../src/store/store.ts";
import { inFolder, log, NOW_MS, sql, withStore } from "./fixtures.ts";

const FIRST = { page: 1, pageSize: 20 };

async function ids(store: Store, filter: LogFilter): Promise<number[]> {
  return (await store.logs.page(filter, FIRST)).rows.map(({ id }) => id);
}

Deno.test("logs.write() answers the ids in order, and the rows read back as written", () =>
  withStore({}, async (store) => {
    const fields = log({ startedAtMs: NOW_MS - 5_000, providerId: null, chatIo: true });
    deepEqual(await store.logs.write({ inserts: [fields, log()], updates: [] }), [1, 2]);
    const { rows } = await store.logs.page({ id: 1 }, FIRST);
    const { startedAtMs: _, ...same } = fields;
    deepEqual(rows, [{
      ...same,
      id: 1,
      createdAt: "2026-05-20T11:59:55.06Z",
      updatedAt: "2026-05-20T12:00:00.06Z",
      keyName: "admin",
    }]);
    deepEqual(await store.logs.write({ inserts: [], updates: [] }), []);
  }));

Deno.test("logs.write() stores what the old programs can read", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path, timeZone: "Asia/Shanghai" }, async (store) => {
      await store.logs.write({
        inserts: [log({ proxyTimeNs: 1234.5, tps: Number.NaN, size: 3.2 })],
        updates: [],
      });
    });
    sql(path, (database) => {
      const row = database.prepare(
        `SELECT created_at, proxy_time, typeof(proxy_time) AS kind, tps, size, chat_io, prompt_tokens_details,
           started_at_ms FROM chat_logs`,
      ).get();
      deepEqual({ ...row }, {
        created_at: "2026-05-20 20:00:00.06+08:00",
        proxy_time: 1235,
        kind: "integer",
        tps: 0,
        size: 3,
        chat_io: 0,
        prompt_tokens_details: '{"cached_tokens":512,"audio_tokens":0}',
        started_at_ms: NOW_MS,
      });
    });
  }));

Deno.test("logs.write() ends rows that were written while they ran", () =>
  withStore({}, async (store) => {
    const running = log({ status: "running", outcome: "", statusCode: 0, promptTokens: 0 });
    const [id = 0] = await store.logs.write({ inserts: [running], updates: [] });
    const end = log({ status: "error", outcome: "timeout", error: "no answer within 20 s" });
    await store.logs.write({ inserts: [log()], updates: [{ ...end, id }, { ...end, id: 999 }] });
    const { rows, total } = await store.logs.page({ status: "error" }, FIRST);
    equal(total, 1);
    deepEqual([rows[0]?.id, rows[0]?.outcome, rows[0]?.error, rows[0]?.promptTokens], [
      id,
      "timeout",
      "no answer within 20 s",
      820,
    ]);
  }));

Deno.test("logs.write() writes a large batch", () =>
  withStore({}, async (store) => {
    const written = await store.logs.write({
      inserts: Array.from({ length: 5_000 }, () => log()),
      updates: [],
    });
    equal(written.at(-1), 5_000);
    equal((await store.logs.page({}, FIRST)).total, 5_000);
  }));

Deno.test("logs.page() lists the newest first and says the real total on every page", () =>
  withStore({}, async (store) => {
    await store.logs.write({ inserts: Array.from({ length: 7 }, () => log()), updates: [] });
    const page = async (number: number, filter: LogFilter = {}) => {
      const { rows, total } = await store.logs.page(filter, { page: number, pageSize: 3 });
      return [rows.map(({ id }) => id), total];
    };
    for (const filter of [{}, { status: "success" }]) {
      deepEqual(await page(1, filter), [[7, 6, 5], 7]);
      deepEqual(await page(3, filter), [[1], 7]);
      deepEqual(await page(4, filter), [[], 7]);
    }
    deepEqual(await page(1, { name: "nobody asks for this" }), [[], 0]);
  }));

Deno.test("logs.page() filters by each field exactly, and by all of them together", () =>
  withStore({}, async (store) => {
    const different: Partial<LogInsert>[] = [
      { providerName: "other" },
      { name: "gpt_4o" },
      { status: "error" },
      { style: "gemini" },
      { providerModel: "other" },
      { authKeyId: 7 },
      { traceId: "other" },
      { sessionId: "s" },
    ];
    await store.logs.write({ inserts: [log(), ...different.map(log)], updates: [] });
    deepEqual(await ids(store, { providerName: "other" }), [2]);
    deepEqual(await ids(store, { name: "gpt_4o" }), [3]);
    deepEqual(await ids(store, { status: "error" }), [4]);
    deepEqual(await ids(store, { style: "gemini" }), [5]);
    deepEqual(await ids(store, { providerModel: "other" }), [6]);
    deepEqual(await ids(store, { authKeyId: 7 }), [7]);
    deepEqual(await ids(store, { authKeyId: 0 }), [9, 8, 6, 5, 4, 3, 2, 1]);
    deepEqual(await ids(store, { traceId: "other" }), [8]);
    deepEqual(await ids(store, { sessionId: "s" }), [9]);
    deepEqual(
      await ids(store, { id: 1, name: "gpt-4o", status: "success", style: "openai", traceId: "trace-1" }),
      [1],
    );
    deepEqual(await ids(store, { id: 1, status: "error" }), []);
  }));

Deno.test("logs.page() names the key, and a deleted one no more", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      sql(path, (database) =>
        database.exec(
          `INSERT INTO auth_keys (id, name, deleted_at) VALUES (1, 'team-a', NULL), (2, 'gone', '2026-01-01')`,
        ));
      await store.logs.write({
        inserts: [0, 1, 2, 3].map((authKeyId) => log({ authKeyId })),
        updates: [],
      });
      const { rows } = await store.logs.page({}, FIRST);
      deepEqual(rows.map(({ authKeyId, keyName }) => [authKeyId, keyName]), [
        [3, ""],
        [2, ""],
        [1, "team-a"],
        [0, "admin"],
      ]);
    });
  }));

Deno.test("logs.latestOutcomes() answers the last ten finished attempts of one association, oldest first", () =>
  withStore({}, async (store) => {
    const inserts = [
      log({ status: "error" }),
      ...Array.from({ length: 9 }, () => log()),
      log({ status: "error" }),
      log({ status: "running" }),
      log({ status: "error", name: "another model" }),
      log({ status: "error", providerName: "other" }),
      log({ status: "error", providerModel: "other" }),
    ];
    await store.logs.write({ inserts, updates: [] });
    const of = { providerName: "acme", providerModel: "gpt-4o-2024-08-06", modelName: "gpt-4o" };
    deepEqual(await store.logs.latestOutcomes(of), [...Array.from({ length: 9 }, () => true), false]);
    deepEqual(await store.logs.latestOutcomes({ ...of, providerName: "never used" }), []);
  }));
