import { deepEqual, equal } from "node:assert/strict";
import type { LogFilter } from "../../src/store/logs.ts";
import type { Store } from "../../src/store/store.ts";
import { inFolder, log, makeLegacyFiles, NOW_MS, sql, withStore } from "./fixtures.ts";

const MINUTE_MS = 60_000;

async function fill(store: Store, count: number): Promise<void> {
  const inserts = Array.from({ length: count }, (_, n) =>
    log({
      startedAtMs: NOW_MS + n * MINUTE_MS,
      name: `m${n % 3}`,
      outcome: n % 4 === 0 ? "timeout" : "completed",
      status: n % 4 === 0 ? "error" : "success",
    }));
  await store.logs.write({ inserts, updates: [] });
}

const ids = async (store: Store, filter: LogFilter) =>
  (await store.logs.page(filter, { page: 1, pageSize: 100 })).rows.map(({ id }) => id);

Deno.test("logs.page() filters by outcome and by time, from a moment on until just before another", () =>
  withStore({}, async (store) => {
    await fill(store, 10);
    deepEqual(await ids(store, { outcome: "timeout" }), [9, 5, 1]);
    deepEqual(await ids(store, { fromMs: NOW_MS + 7 * MINUTE_MS }), [10, 9, 8]);
    deepEqual(await ids(store, { toMs: NOW_MS + 2 * MINUTE_MS }), [2, 1]);
    deepEqual(await ids(store, { fromMs: NOW_MS + MINUTE_MS, toMs: NOW_MS + 5 * MINUTE_MS, name: "m1" }), [
      5,
      2,
    ]);
    deepEqual(await ids(store, { fromMs: NOW_MS + 99 * MINUTE_MS }), []);
  }));

Deno.test("logs.page() finds rows within a time whose ids are out of order", () =>
  withStore({}, async (store) => {
    const minutes = [5, 1, 9, 2, 7];
    const inserts = minutes.map((minute) => log({ startedAtMs: NOW_MS + minute * MINUTE_MS }));
    await store.logs.write({ inserts, updates: [] });
    const filter = { fromMs: NOW_MS + 2 * MINUTE_MS, toMs: NOW_MS + 8 * MINUTE_MS };
    const { rows, total } = await store.logs.page(filter, { page: 1, pageSize: 2 });
    deepEqual([rows.map(({ id }) => id), total], [[5, 4], 3]);
  }));

Deno.test("logs.page() goes on before an id and still says the total of all that match", () =>
  withStore({}, async (store) => {
    await fill(store, 10);
    const page = await store.logs.page({ status: "success", beforeId: 6 }, { page: 1, pageSize: 2 });
    deepEqual([page.rows.map(({ id }) => id), page.total], [[4, 3], 7]);
    deepEqual(await store.logs.page({ beforeId: 1 }, { page: 1, pageSize: 2 }), { rows: [], total: 10 });
  }));

Deno.test("logs.slice() walks every row once, newest first, while new ones come", () =>
  withStore({}, async (store) => {
    await fill(store, 25);
    const seen: number[] = [];
    const filter = { fromMs: NOW_MS + 2 * MINUTE_MS };
    const span = await store.logs.span(filter);
    deepEqual(span, { firstId: 3, lastId: 25 });
    for (let beforeId = 26;;) {
      const rows = await store.logs.slice({ ...filter, beforeId, sinceId: span?.firstId ?? 0 }, 10);
      seen.push(...rows.map(({ id }) => id));
      if (rows.length < 10) break;
      beforeId = rows.at(-1)?.id ?? 0;
      await fill(store, 3);
    }
    deepEqual(seen, Array.from({ length: 23 }, (_, n) => 25 - n));
  }));

Deno.test("logs.span() is null when no row lies within the times", () =>
  withStore({}, async (store) => {
    equal(await store.logs.span({}), null);
    await fill(store, 2);
    deepEqual(await store.logs.span({}), { firstId: 1, lastId: 2 });
    equal(await store.logs.span({ toMs: NOW_MS }), null);
  }));

Deno.test("logs.traffic() sums up ended attempts since a moment, by model and provider", () =>
  withStore({}, async (store) => {
    const ended = {
      providerId: 4,
      providerName: "acme",
      firstChunkTimeNs: 3e6,
      chunkTimeNs: 2e6,
      proxyTimeNs: 1e6,
    };
    const inserts = [
      log({ ...ended, startedAtMs: NOW_MS - 1 }),
      log({ ...ended, status: "error", outcome: "server", totalTokens: 3 }),
      log({ ...ended, retry: 1, totalTokens: 5 }),
      log({ ...ended, status: "running", outcome: "" }),
      log({
        ...ended,
        name: "other",
        providerId: null,
        providerName: "",
        status: "error",
        outcome: "caller_fault",
      }),
    ];
    await store.logs.write({ inserts, updates: [] });
    const traffic = await store.logs.traffic(NOW_MS);
    deepEqual(traffic.sort((one, other) => one.model < other.model ? -1 : 1), [
      {
        model: "gpt-4o",
        providerId: 4,
        providerName: "acme",
        requests: 1,
        attempts: 2,
        successes: 1,
        totalTokens: 8,
        responseMs: 4,
        outcomes: { server: 1, completed: 1 },
      },
      {
        model: "other",
        providerId: 0,
        providerName: "",
        requests: 1,
        attempts: 1,
        successes: 0,
        totalTokens: 940,
        responseMs: 0,
        outcomes: { caller_fault: 1 },
      },
    ]);
  }));

Deno.test("logs.userAgents() answers each one once, the empty one left out", () =>
  withStore({}, async (store) => {
    deepEqual(await store.logs.userAgents(), []);
    const inserts = ["curl", "", "OpenAI/JS", "curl"].map((userAgent) => log({ userAgent }));
    await store.logs.write({ inserts, updates: [] });
    deepEqual(await store.logs.userAgents(), ["OpenAI/JS", "curl"]);
  }));

Deno.test("chatIo.ofLog() answers what llmio has recorded, of whole answers and of streams", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    const recorded = sql(upstream, (database) =>
      database.prepare(
        `SELECT io.log_id, io.of_string_array AS events, log.style FROM chat_ios AS io
         JOIN chat_logs AS log ON log.id = io.log_id WHERE io.deleted_at IS NULL ORDER BY io.id`,
      ).all());
    equal(recorded.length > 0, true);
    await withStore({ path: upstream }, async (store) => {
      for (const { log_id, events, style } of recorded) {
        const io = await store.chatIo.ofLog(Number(log_id));
        equal(io?.logId, log_id);
        equal(io?.style, style);
        deepEqual(io?.events, events === null ? null : JSON.parse(String(events)));
      }
      equal(await store.chatIo.ofLog(999_999), null);
    });
  }));
