import { deepEqual, equal } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { LogCleaner } from "../../src/accounting/cleanup.ts";
import type { OpenStoreOptions } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { inFolder, log, NOW_MS, withStore } from "../store/fixtures.ts";

const DAY_MS = 86_400_000;
const FIRST = { page: 1, pageSize: 20 };

interface Ward {
  readonly store: Store;
  readonly cleaner: LogCleaner;
  /** Sets the clock. */
  at(epochMs: number): void;
  /** What the cleaner waited for between its steps, milliseconds. */
  readonly pauses: number[];
  /** Called at each pause. */
  onPause: () => Promise<unknown> | void;
}

/** A cleaner whose clock stands still and whose pauses take no time. */
async function withCleaner(
  test: (ward: Ward) => Promise<void>,
  { timeZone = "UTC", ...options }: Partial<OpenStoreOptions> = {},
): Promise<void> {
  await withStore({ timeZone, ...options }, async (store) => {
    let now = NOW_MS;
    const pauses: number[] = [];
    const cleaner = new LogCleaner({
      store,
      timeZone,
      now: () => now,
      pause: async (ms) => {
        pauses.push(ms);
        await ward.onPause();
      },
    });
    const ward: Ward = { store, cleaner, at: (ms) => now = ms, pauses, onPause: () => {} };
    try {
      await test(ward);
    } finally {
      await cleaner.stop();
    }
  });
}

/** One row for each age in days. */
async function aged(store: Store, ages: readonly number[]): Promise<void> {
  for (let n = 0; n < ages.length; n += 2_000) {
    const inserts = ages.slice(n, n + 2_000).map((days) => log({ startedAtMs: NOW_MS - days * DAY_MS }));
    await store.logs.write({ inserts, updates: [] });
  }
}

const sizeOf = async (path: string) => (await Deno.stat(path)).size;
const total = async (store: Store) => (await store.logs.page({}, FIRST)).total;
const records = async (store: Store) =>
  (await store.logCleanup.history(FIRST)).rows.map((
    row,
  ) => [row.source, row.type, row.retentionDays, row.deletedCount]);
const policy = (store: Store, value: object) =>
  store.configs.set("log_cleanup_policy", JSON.stringify(value));

async function tick({ cleaner }: Ward): Promise<void> {
  cleaner.tick();
  await cleaner.idle();
}

Deno.test("a clean-up by days removes what is older to the moment, and remembers it", () =>
  withCleaner(async ({ store, cleaner }) => {
    await aged(store, [40, 31, 30.001, 30, 29, 0]);
    equal(await cleaner.clean({ type: "days", value: 30 }), 3);
    equal(await total(store), 3);
    deepEqual(await records(store), [["manual", "days", 30, 3]]);
  }));

Deno.test("a clean-up by count keeps the newest rows", () =>
  withCleaner(async ({ store, cleaner }) => {
    await aged(store, [5, 4, 3, 2, 1]);
    equal(await cleaner.clean({ type: "count", value: 2 }), 3);
    deepEqual((await store.logs.page({}, FIRST)).rows.map(({ id }) => id), [5, 4]);
    equal(await cleaner.clean({ type: "count", value: 2 }), 0);
    deepEqual(await records(store), [["manual", "count", 0, 0], ["manual", "count", 0, 3]]);
  }));

Deno.test("a clean-up by count of an empty log is nothing to remember", () =>
  withCleaner(async ({ store, cleaner }) => {
    equal(await cleaner.clean({ type: "count", value: 2 }), 0);
    deepEqual(await records(store), []);
  }));

Deno.test("a clean-up by 0 days removes every row that there is", () =>
  withCleaner(async ({ store, cleaner }) => {
    await aged(store, [400, 1, 0, -1]);
    equal(await cleaner.clean({ type: "days", value: 0 }), 4);
  }));

Deno.test("40,000 rows go in steps, log rows are written in between, and daily figures stay", () =>
  withCleaner(async (ward) => {
    const { store, cleaner, pauses } = ward;
    await aged(store, Array.from({ length: 40_000 }, () => 2));
    const usage = () => store.usage.report({ from: "0001-01-01", to: "2026-05-19", groupBy: ["day"] });
    const before = await usage();
    ward.onPause = () => store.logs.write({ inserts: [log()], updates: [] });
    equal(await cleaner.clean({ type: "days", value: 1 }), 40_000);
    equal(pauses.length >= 39, true);
    equal(await total(store) >= 39, true);
    deepEqual(await usage(), before);
  }));

Deno.test("two clean-ups at once run one after the other", () =>
  withCleaner(async ({ store, cleaner }) => {
    await aged(store, Array.from({ length: 3_000 }, () => 2));
    const counts = [cleaner.clean({ type: "days", value: 1 }), cleaner.clean({ type: "days", value: 1 })];
    deepEqual(await Promise.all(counts), [3_000, 0]);
  }));

Deno.test("the policy is carried out once a local day, and not while it is off", () =>
  withCleaner(async (ward) => {
    const { store } = ward;
    await aged(store, [40]);
    await tick(ward);
    deepEqual([await total(store), await records(store)], [1, []]);
    await policy(store, { enabled: true, retention_days: 30 });
    // In Shanghai it is 20:00.
    await tick(ward);
    await aged(store, [40]);
    ward.at(NOW_MS + 3.9 * 3_600_000);
    await tick(ward);
    deepEqual([await total(store), await records(store)], [1, [["scheduled", "days", 30, 1]]]);
    ward.at(NOW_MS + 4 * 3_600_000);
    await tick(ward);
    equal(await total(store), 0);
    deepEqual(await records(store), [["scheduled", "days", 30, 1], ["scheduled", "days", 30, 1]]);
  }, { timeZone: "Asia/Shanghai" }));

Deno.test("a policy with a number of rows removes by age and then by count", () =>
  withCleaner(async (ward) => {
    const { store } = ward;
    await aged(store, [40, 3, 2, 1]);
    await policy(store, { enabled: true, retention_days: 30, max_rows: 2 });
    await tick(ward);
    deepEqual(await records(store), [["scheduled", "count", 0, 1], ["scheduled", "days", 30, 1]]);
    equal(await total(store), 2);
  }));

Deno.test("a scheduled clean-up keeps the newest hundred records", () =>
  withCleaner(async (ward) => {
    const { store, cleaner } = ward;
    for (let n = 0; n < 105; n++) await cleaner.clean({ type: "days", value: 1 });
    await policy(store, { enabled: true });
    await tick(ward);
    equal((await store.logCleanup.history(FIRST)).total, 100);
  }));

Deno.test("the file becomes small again when its rows are gone", () =>
  inFolder((folder) =>
    withCleaner(async ({ store, cleaner }) => {
      const path = `${folder}/llmio.db`;
      await aged(store, Array.from({ length: 20_000 }, () => 2));
      await store.logCleanup.checkpoint();
      const full = await sizeOf(path);
      await cleaner.clean({ type: "days", value: 1 });
      await cleaner.idle();
      equal(await sizeOf(path) + await sizeOf(`${path}-wal`) < full / 4, true);
    }, { path: `${folder}/llmio.db` })
  ));

Deno.test("a reader that holds the file keeps neither rows from going nor, once it is gone, the file from shrinking", () =>
  inFolder((folder) =>
    withCleaner(async (ward) => {
      const { store, cleaner } = ward;
      const path = `${folder}/llmio.db`;
      await aged(store, Array.from({ length: 5_000 }, () => 2));
      await store.logCleanup.checkpoint();
      const full = await sizeOf(path);
      using reader = new DatabaseSync(path);
      reader.exec("BEGIN");
      equal(reader.prepare("SELECT count(*) AS n FROM chat_logs").get()?.["n"], 5_000);
      equal(await cleaner.clean({ type: "days", value: 1 }), 5_000);
      await cleaner.idle();
      equal(reader.prepare("SELECT count(*) AS n FROM chat_logs").get()?.["n"], 5_000);
      reader.exec("ROLLBACK");
      await aged(store, [0]);
      await tick(ward);
      await store.logCleanup.checkpoint();
      equal(await sizeOf(path) < full / 2, true);
    }, { path: `${folder}/llmio.db` })
  ));

Deno.test("while a reader holds too much of the write-ahead log, the clean-up waits, gives up after a while, and goes on at a later tick", () =>
  withCleaner(async (ward) => {
    let held = true;
    const { store } = ward;
    const waits: number[] = [];
    const cleaner = new LogCleaner({
      timeZone: "UTC",
      now: () => NOW_MS,
      pause: (ms) => Promise.resolve(void waits.push(ms)),
      store: {
        configs: store.configs,
        logCleanup: {
          ...store.logCleanup,
          checkpoint: () => Promise.resolve({ heldBytes: held ? 100 * 1024 * 1024 : 0 }),
        },
      },
    });
    await aged(store, [40]);
    await policy(store, { enabled: true });
    cleaner.tick();
    await cleaner.idle();
    deepEqual([await total(store), waits.length], [1, 30]);
    held = false;
    cleaner.tick();
    await cleaner.idle();
    equal(await total(store), 0);
    await cleaner.stop();
  }));

Deno.test("stop() ends a clean-up after the step that is under way", () =>
  withCleaner(async (ward) => {
    const { store, cleaner } = ward;
    await aged(store, Array.from({ length: 5_000 }, () => 2));
    let stopped: Promise<void> | undefined;
    ward.onPause = () => void (stopped ??= cleaner.stop());
    const removed = await cleaner.clean({ type: "days", value: 1 });
    await stopped;
    equal(removed < 5_000, true);
    equal(await total(store), 5_000 - removed);
  }));

Deno.test("a database that refuses the scheduled clean-up is asked again at the next tick", () =>
  withCleaner(async ({ store }) => {
    let refused = 0;
    const refuse = () => Promise.reject(new Error(`refused ${++refused} times`));
    const cleaner = new LogCleaner({
      timeZone: "UTC",
      now: () => NOW_MS,
      store: { configs: { ...store.configs, get: refuse }, logCleanup: store.logCleanup },
    });
    for (let n = 0; n < 2; n++) cleaner.tick();
    await cleaner.idle();
    equal(refused, 2);
  }));
