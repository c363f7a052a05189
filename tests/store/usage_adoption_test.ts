import { deepEqual, equal } from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { inFolder, makeLegacyFiles, openOnce, sql, withStore } from "./fixtures.ts";

const SUMS =
  `count(*) AS attempts, sum(coalesce(retry, 0) = 0) AS requests, sum(status = 'success') AS successes,
  sum(total_tokens) AS tokens, round(total(cost), 9) AS cost`;
const DAY_SUMS = `sum(attempts) AS attempts, sum(requests) AS requests, sum(successes) AS successes,
  sum(total_tokens) AS tokens, round(total(cost), 9) AS cost`;

const one = (database: DatabaseSync, query: string) => ({ ...database.prepare(query).get() });
const days = (path: string) =>
  sql(
    path,
    (database) =>
      database.prepare("SELECT day, sum(attempts) AS n FROM usage_days GROUP BY day ORDER BY day").all()
        .map((row) => ({ ...row })),
  );

Deno.test("rows of the old programs are in the daily figures, those deleted softly left out", () =>
  inFolder(async (folder) => {
    const { upstream, ma } = await makeLegacyFiles(folder);
    for (const path of [upstream, ma]) {
      await openOnce(path);
      sql(path, (database) => {
        deepEqual(
          one(database, `SELECT ${DAY_SUMS} FROM usage_days`),
          one(database, `SELECT ${SUMS} FROM chat_logs WHERE deleted_at IS NULL`),
          path,
        );
        const [kinds] = database.prepare(
          "SELECT sum(attempts - successes - failures - gateway_errors) AS rest FROM usage_days",
        ).all();
        equal(kinds?.["rest"], 0);
      });
    }
  }));

Deno.test("rows of the old programs are counted once, however often the file is opened", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await openOnce(upstream);
    const before = days(upstream);
    await openOnce(upstream);
    deepEqual(days(upstream), before);
  }));

Deno.test("rows of the old programs belong to the day on which they started in the configured zone, whatever zone they were written in", () =>
  inFolder(async (folder) => {
    const path = `${folder}/old.db`;
    oldFile(path, [
      // Los Angeles: UTC-8 until 8 March 10:00 UTC, then UTC-7 until 1 November 9:00 UTC.
      "2026-03-08 07:59:59+00:00",
      "2026-03-08 16:00:00+08:00",
      "2026-03-09 06:59:59.999+00:00",
      "2026-03-09 07:00:00+00:00",
      "2026-11-01 06:59:59+00:00",
      "2026-11-01 07:00:00+00:00",
      "2026-11-02 07:59:59+00:00",
      "2026-11-02 08:00:00+00:00",
    ]);
    await openOnce(path, { timeZone: "America/Los_Angeles" });
    deepEqual(days(path), [
      { day: "2026-03-07", n: 1 },
      { day: "2026-03-08", n: 2 },
      { day: "2026-03-09", n: 1 },
      { day: "2026-10-31", n: 1 },
      { day: "2026-11-01", n: 2 },
      { day: "2026-11-02", n: 1 },
    ]);
  }));

Deno.test("an old row without a readable time counts, on no day that a report asks for", () =>
  inFolder(async (folder) => {
    const path = `${folder}/old.db`;
    oldFile(path, ["yesterday", "2026-05-20 00:00:00+00:00"]);
    await withStore({ path }, async (store) => {
      equal((await store.usage.callsByModel(5)).total, 2);
      const rows = await store.usage.report({ from: "1970-01-01", to: "2100-01-01", groupBy: ["day"] });
      deepEqual(rows.map(({ day, attempts }) => [day, attempts]), [["2026-05-20", 1]]);
    });
  }));

Deno.test("an old row is counted under the provider that has its name, and priced by its own prices", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await withStore({ path: upstream }, async (store) => {
      const providers = await store.providers.list({});
      const rows = await store.usage.report({ from: "2000-01-01", to: "2100-01-01", groupBy: ["provider"] });
      for (const { id, name } of providers) {
        const known = rows.filter((row) => row.providerName === name);
        deepEqual(
          [...new Set(known.map(({ providerId }) => providerId))],
          known.length === 0 ? [] : [id],
          name,
        );
      }
      equal(rows.some(({ cost, currency }) => cost > 0 && currency === "USD"), true);
    });
    sql(upstream, (database) => {
      const wrong = database.prepare(
        `SELECT count(*) AS n FROM chat_logs WHERE input_price > 0 AND abs(cost - (
           (prompt_tokens - json_extract(prompt_tokens_details, '$.cached_tokens')) * input_price
           + json_extract(prompt_tokens_details, '$.cached_tokens') * cache_read_price
           + completion_tokens * output_price) / 1000000) > 1e-12`,
      ).get();
      equal(wrong?.["n"], 0);
    });
  }));

Deno.test("rows that an old program writes later are counted at the next start, once", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    await openOnce(ma);
    sql(ma, (database) =>
      database.exec(
        "INSERT INTO chat_logs (created_at, name, status, total_tokens) VALUES ('2026-06-01 08:00:00+08:00', 'late', 'success', 7)",
      ));
    for (let start = 0; start < 2; start++) {
      await withStore({ path: ma }, async (store) => {
        const rows = await store.usage.report({ from: "2026-06-01", to: "2026-06-01", groupBy: ["model"] });
        deepEqual(rows.map(({ model, requests, totalTokens }) => [model, requests, totalTokens]), [[
          "late",
          1,
          7,
        ]]);
      });
    }
  }));

function oldFile(path: string, times: readonly string[]): void {
  const head =
    "id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime";
  sql(path, (database) => {
    database.exec(`
      CREATE TABLE providers (${head}, name text, type text, config text);
      CREATE TABLE models (${head}, name text, remark text);
      CREATE TABLE model_with_providers (${head}, model_id integer, provider_id integer, weight integer);
      CREATE TABLE chat_logs (${head}, name text, provider_name text, status text, error text);
    `);
    const insert = database.prepare(
      "INSERT INTO chat_logs (created_at, name, status) VALUES (?, 'm', 'success')",
    );
    for (const time of times) insert.run(time);
  });
}
