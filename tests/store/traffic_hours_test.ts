/** Rules of what has happened lately, by the hour. @module */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { SqlRow, SqlValue } from "../../src/store/columns.ts";
import { Database } from "../../src/store/database.ts";
import type { LogInsert, TrafficRow } from "../../src/store/logs.ts";
import type { Store } from "../../src/store/store.ts";
import { trafficSince as trafficOf } from "../../src/store/traffic_hours.ts";
import { inFolder, log, NOW_MS, openOnce, sql, withStore } from "./fixtures.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const SUCCESS = { status: "success", outcome: "completed" } as const;
const FAILURE = { status: "error", outcome: "server" } as const;
const TIMES = { proxyTimeNs: 1e6, firstChunkTimeNs: 3e6, chunkTimeNs: 2e6 };

/** One attempt every seven minutes, from so long ago until now. */
function attempts(sinceMs: number): LogInsert[] {
  const count = Math.floor((NOW_MS - sinceMs) / (7 * MINUTE_MS)) + 1;
  return Array.from({ length: count }, (_, n) =>
    log({
      ...TIMES,
      ...(n % 3 === 0 ? FAILURE : SUCCESS),
      startedAtMs: sinceMs + n * 7 * MINUTE_MS,
      name: `m${n % 2}`,
      providerId: n % 5 === 0 ? null : n % 5,
      providerName: n % 5 === 0 ? "" : `p${n % 5}`,
      retry: n % 4 === 0 ? 1 : 0,
      totalTokens: n,
    }));
}

/** What the figures must be, from one attempt after the other. */
function counted(logs: readonly LogInsert[]): TrafficRow[] {
  const rows = Map.groupBy(logs, ({ name, providerId }) => `${name} ${providerId}`);
  return inOrder([...rows.values()].map((group) => {
    const successes = group.filter(({ status }) => status === "success").length;
    const outcomes = Map.groupBy(group, ({ outcome }) => outcome);
    return {
      model: group[0]?.name ?? "",
      providerId: group[0]?.providerId ?? 0,
      providerName: group[0]?.providerName ?? "",
      requests: group.filter(({ retry }) => retry === 0).length,
      attempts: group.length,
      successes,
      totalTokens: group.reduce((sum, { totalTokens }) => sum + totalTokens, 0),
      responseMs: successes * 4,
      outcomes: Object.fromEntries(Array.from(outcomes, ([outcome, { length }]) => [outcome, length])),
    };
  }));
}

function inOrder(rows: readonly TrafficRow[]): TrafficRow[] {
  const keyOf = ({ model, providerId }: TrafficRow) => `${model} ${providerId}`;
  return rows.toSorted((one, other) => keyOf(one) < keyOf(other) ? -1 : 1);
}

const trafficSince = async (store: Store, sinceMs: number) => inOrder(await store.logs.traffic(sinceMs));

const since = (logs: readonly LogInsert[], ms: number) => logs.filter(({ startedAtMs }) => startedAtMs >= ms);

Deno.test("logs.traffic() is exact to the millisecond, wherever in an hour it begins", () =>
  withStore({}, async (store) => {
    const logs = attempts(NOW_MS - 26 * HOUR_MS);
    await store.logs.write({ inserts: logs, updates: [] });
    const first = NOW_MS - DAY_MS;
    const onTheHour = Math.ceil(first / HOUR_MS) * HOUR_MS;
    const edges = since(logs, first).slice(0, 12).flatMap((
      { startedAtMs },
    ) => [startedAtMs, startedAtMs + 1]);
    for (const ms of [first, onTheHour - 1, onTheHour, onTheHour + 1, NOW_MS - HOUR_MS, NOW_MS, ...edges]) {
      deepEqual(await trafficSince(store, ms), counted(since(logs, ms)), new Date(ms).toISOString());
    }
    deepEqual(await trafficSince(store, NOW_MS + 1), []);
  }));

Deno.test("logs.traffic() counts an attempt when it has ended, in the hour in which it started", () =>
  withStore({}, async (store) => {
    const startedAtMs = NOW_MS - 3 * HOUR_MS;
    const running = log({ startedAtMs, status: "running", outcome: "" });
    const [id = 0] = await store.logs.write({ inserts: [running], updates: [] });
    deepEqual(await trafficSince(store, NOW_MS - DAY_MS), []);
    const ended = log({ ...TIMES, startedAtMs });
    await store.logs.write({ inserts: [], updates: [{ ...ended, id }] });
    deepEqual(await trafficSince(store, NOW_MS - DAY_MS), counted([ended]));
    deepEqual(await trafficSince(store, NOW_MS - 2 * HOUR_MS), []);
  }));

Deno.test("logs.traffic() remembers whole hours whose rows have been cleaned up", () =>
  withStore({}, async (store) => {
    const logs = attempts(NOW_MS - 2 * HOUR_MS);
    await store.logs.write({ inserts: logs, updates: [] });
    await store.logCleanup.remove({ beforeId: logs.length + 1 }, 1_000);
    deepEqual(await trafficSince(store, NOW_MS - DAY_MS), counted(logs));
  }));

Deno.test("hours that no report asks for any more are forgotten", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    let now = NOW_MS;
    await withStore({ path, now: () => now }, async (store) => {
      await store.logs.write({ inserts: attempts(now - 5 * HOUR_MS), updates: [] });
      now += 30 * HOUR_MS;
      await store.logs.write({ inserts: [log({ startedAtMs: now })], updates: [] });
    });
    const hours = sql(path, (database) => database.prepare("SELECT hour_ms FROM traffic_hours").all());
    deepEqual(hours.map((row) => row["hour_ms"]), [Math.floor(now / HOUR_MS) * HOUR_MS]);
  }));

/** A file with these rows, written by this program. */
async function written(path: string, logs: readonly LogInsert[]): Promise<void> {
  await withStore({ path }, async (store) => void await store.logs.write({ inserts: logs, updates: [] }));
}

const WITHOUT_COUNT = `DROP TRIGGER log_count_inserted; DROP TRIGGER log_count_removed;
  DROP TRIGGER log_count_deleted; DROP TABLE log_count;`;

Deno.test("the hours of a file that had none are made from its rows", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const logs = attempts(NOW_MS - 25 * HOUR_MS);
    await written(path, logs);
    sql(path, (database) =>
      database.exec(
        `${WITHOUT_COUNT} DROP TABLE traffic_hours; DELETE FROM schema_migrations WHERE version >= 14`,
      ));
    await withStore({ path }, async (store) =>
      deepEqual(await trafficSince(store, NOW_MS - DAY_MS), counted(since(logs, NOW_MS - DAY_MS))));
  }));

Deno.test("a later migration leaves the hours as they are: some of their rows may be gone", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const logs = attempts(NOW_MS - 3 * HOUR_MS);
    await written(path, logs);
    sql(path, (database) =>
      database.exec(
        `DELETE FROM chat_logs WHERE id < 10; ${WITHOUT_COUNT} DELETE FROM schema_migrations WHERE version >= 15`,
      ));
    await withStore(
      { path },
      async (store) => deepEqual(await trafficSince(store, NOW_MS - DAY_MS), counted(logs)),
    );
  }));

Deno.test("the hours take in what an old program has written meanwhile, once, and lose nothing that it removed", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const logs = attempts(NOW_MS - 3 * HOUR_MS);
    await written(path, logs);
    sql(path, (database) =>
      database.exec(
        `DELETE FROM chat_logs WHERE id < 10;
         INSERT INTO chat_logs (created_at, name, provider_name, status, total_tokens)
         VALUES ('2026-05-20 10:30:00+00:00', 'old', 'acme', 'error', 7)`,
      ));
    for (const opening of ["first", "second"]) {
      await withStore({ path }, async (store) => {
        const traffic = await trafficSince(store, NOW_MS - DAY_MS);
        const old = traffic.filter(({ model }) => model === "old");
        deepEqual(old.map(({ attempts, outcomes }) => [attempts, outcomes]), [[1, { error: 1 }]], opening);
        deepEqual(traffic.filter(({ model }) => model !== "old"), counted(logs), opening);
      });
    }
  }));

/** A connection that notes how each query is carried out. */
class Explaining extends Database {
  readonly plans: string[] = [];

  override all(query: string, ...values: SqlValue[]): SqlRow[] {
    const steps = super.all(`EXPLAIN QUERY PLAN ${query}`, ...values);
    this.plans.push(steps.map((step) => String(step["detail"])).join("\n"));
    return super.all(query, ...values);
  }
}

Deno.test("of the log rows, only those of the begun hour are looked at, by the index of their time", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    const database = new Explaining(path);
    try {
      trafficOf(database, NOW_MS - DAY_MS);
    } finally {
      database.close();
    }
    const [begun = "", whole = ""] = database.plans;
    ok(begun.includes("idx_chat_logs_started_at_ms (started_at_ms>? AND started_at_ms<?)"), begun);
    ok(whole.includes("SEARCH traffic_hours USING PRIMARY KEY (hour_ms>?)"), whole);
    equal(/SCAN/.test(database.plans.join("\n")), false);
  }));
