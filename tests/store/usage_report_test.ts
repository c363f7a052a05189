import { deepEqual, equal } from "node:assert/strict";
import type { LogInsert } from "../../src/store/logs.ts";
import type { Store } from "../../src/store/store.ts";
import { USAGE_GROUPS, type UsageGroup, type UsageRow } from "../../src/store/usage.ts";
import { inFolder, log, provider, sql, withStore } from "./fixtures.ts";

const EVER = { from: "0001-01-01", to: "9999-12-31" };
const DAY_MS = 86_400_000;

/** Five hundred rows that differ in everything that figures are told apart by. */
const ROWS: LogInsert[] = Array.from({ length: 500 }, (_, n) =>
  log({
    startedAtMs: Date.UTC(2026, 4, 1) + n * 7_000_000,
    name: `m${n % 5}`,
    providerId: n % 4 + 1,
    providerName: `p${n % 4 + 1}`,
    authKeyId: n % 3,
    style: n % 2 === 0 ? "openai" : "anthropic",
    currency: ["", "USD", "CNY"][n % 3] ?? "",
    retry: n % 7 === 0 ? 1 : 0,
    promptTokens: n,
    completionTokens: 2 * n,
    totalTokens: 3 * n,
    cachedTokens: n % 11,
    cost: n / 1024,
    ...(n % 9 === 0 ? { status: "error", outcome: "server" } : {}),
  }));

const write = (store: Store, inserts: LogInsert[]) => store.logs.write({ inserts, updates: [] });
const sum = (rows: UsageRow[], of: (row: UsageRow) => number) => rows.reduce((all, row) => all + of(row), 0);

Deno.test("usage.report() adds up to the log rows, whatever it groups by", () =>
  withStore({}, async (store) => {
    await write(store, ROWS);
    const groupings: UsageGroup[][] = [[], ...USAGE_GROUPS.map((group) => [group]), [...USAGE_GROUPS]];
    for (const groupBy of groupings) {
      const rows = await store.usage.report({ ...EVER, groupBy });
      const of = (value: (row: LogInsert) => number) => ROWS.reduce((all, row) => all + value(row), 0);
      deepEqual(
        [
          sum(rows, (row) => row.attempts),
          sum(rows, (row) => row.requests),
          sum(rows, (row) => row.successes),
          sum(rows, (row) => row.failures),
          sum(rows, (row) => row.totalTokens),
          sum(rows, (row) => row.cachedTokens),
          sum(rows, (row) => row.cost),
        ],
        [
          ROWS.length,
          of((row) => row.retry === 0 ? 1 : 0),
          of((row) => row.status === "success" ? 1 : 0),
          of((row) => row.status === "error" ? 1 : 0),
          of((row) => row.totalTokens),
          of((row) => row.cachedTokens),
          of((row) => row.cost),
        ],
        groupBy.join(),
      );
    }
  }));

Deno.test("usage.report() has one row for each combination, tells currencies apart, and leaves out what it does not group by", () =>
  withStore({}, async (store) => {
    await write(store, ROWS);
    const rows = await store.usage.report({ ...EVER, groupBy: ["provider", "key"] });
    equal(new Set(rows.map((row) => `${row.providerId} ${row.authKeyId} ${row.currency}`)).size, rows.length);
    for (const row of rows) {
      deepEqual([row.day, row.model, row.style], [null, null, null]);
      equal(row.providerName, `p${row.providerId}`);
      equal(row.keyName, row.authKeyId === 0 ? "admin" : "");
    }
    deepEqual((await store.usage.report({ ...EVER, groupBy: [] })).map((row) => row.currency).sort(), [
      "",
      "CNY",
      "USD",
    ]);
  }));

Deno.test("usage.report() filters by days, both ends included, and by provider, model, key and protocol", () =>
  withStore({}, async (store) => {
    await write(store, ROWS);
    const attempts = async (query: object) =>
      sum(await store.usage.report({ ...EVER, groupBy: [], ...query }), (row) => row.attempts);
    const count = (keep: (row: LogInsert) => boolean) => ROWS.filter(keep).length;
    equal(
      await attempts({ from: "2026-05-03", to: "2026-05-04" }),
      count(({ startedAtMs: at }) => at >= Date.UTC(2026, 4, 3) && at < Date.UTC(2026, 4, 5)),
    );
    equal(await attempts({ providerId: 2 }), count((row) => row.providerId === 2));
    equal(
      await attempts({ model: "m3", authKeyId: 0 }),
      count((row) => row.name === "m3" && row.authKeyId === 0),
    );
    equal(await attempts({ style: "anthropic" }), count((row) => row.style === "anthropic"));
    equal((await store.usage.report({ ...EVER, groupBy: ["day"], limit: 3 })).length, 3);
  }));

Deno.test("usage.report() knows a renamed provider as one, a deleted one by its last name, and another of that name apart", () =>
  withStore({}, async (store) => {
    const { id } = await store.providers.create(provider({ name: "old" }));
    const mine = { providerId: id, currency: "", startedAtMs: Date.UTC(2026, 4, 1) };
    await write(store, [log({ ...mine, providerName: "old" })]);
    await store.providers.update(id, provider({ name: "new" }));
    await write(store, [log({ ...mine, providerName: "new", startedAtMs: Date.UTC(2026, 4, 2) })]);
    const names = async () =>
      (await store.usage.report({ ...EVER, groupBy: ["provider"] })).map((
        row,
      ) => [row.providerId, row.providerName, row.attempts]);
    deepEqual(await names(), [[id, "new", 2]]);
    await store.providers.remove([id]);
    deepEqual(await names(), [[id, "new", 2]]);
    const again = await store.providers.create(provider({ name: "new" }));
    await write(store, [log({ ...mine, providerId: again.id, providerName: "new" })]);
    deepEqual(await names(), [[id, "new", 2], [again.id, "new", 1]]);
  }));

Deno.test("usage.callsByModel() counts requests, not attempts, most first, and says what all of them come to", () =>
  withStore({}, async (store) => {
    const calls = [9, 8, 7, 6, 5, 4, 3].flatMap((count, n) =>
      Array.from({ length: count }, () => [log({ name: `m${n}` }), log({ name: `m${n}`, retry: 1 })]).flat()
    );
    await write(store, calls);
    deepEqual(await store.usage.callsByModel(3), {
      top: [{ name: "m0", calls: 9 }, { name: "m1", calls: 8 }, { name: "m2", calls: 7 }],
      names: 7,
      total: 42,
    });
  }));

Deno.test("usage.callsByModel() knows no models before the first request", () =>
  withStore({}, async (store) => {
    deepEqual(await store.usage.callsByModel(5), { top: [], names: 0, total: 0 });
  }));

Deno.test("usage.callsByKey() merges keys of one name, and those that are gone or have no name", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      sql(path, (database) =>
        database.exec(`
          INSERT INTO auth_keys (id, name) VALUES (1, 'team'), (2, ' team	'), (3, '  '), (5, NULL);
          INSERT INTO auth_keys (id, name, deleted_at) VALUES (4, 'gone', '2026-05-01 00:00:00+00:00');
        `));
      await write(store, [0, 1, 1, 2, 3, 4, 5, 99].map((authKeyId) => log({ authKeyId })));
      deepEqual((await store.usage.callsByKey(5)).top, [
        { name: "-", calls: 4 },
        { name: "team", calls: 3 },
        { name: "admin", calls: 1 },
      ]);
    });
  }));

Deno.test("usage outlives the rows that it was made from", () =>
  withStore({}, async (store) => {
    await write(store, ROWS);
    const before = await store.usage.report({ ...EVER, groupBy: [...USAGE_GROUPS] });
    await store.logCleanup.remove({ beforeMs: Date.UTC(2026, 4, 1) + 400 * DAY_MS }, 1_000);
    equal((await store.logs.page({}, { page: 1, pageSize: 1 })).total, 0);
    deepEqual(await store.usage.report({ ...EVER, groupBy: [...USAGE_GROUPS] }), before);
  }));
