import { deepEqual, equal } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { CleanupBound } from "../../src/store/log_cleanup.ts";
import type { Store } from "../../src/store/store.ts";
import { inFolder, log, NOW_MS, sql, withStore } from "./fixtures.ts";

const FIRST = { page: 1, pageSize: 20 };

async function fill(store: Store, count: number): Promise<void> {
  for (let n = 0; n < count; n += 2_000) {
    const inserts = Array.from(
      { length: Math.min(2_000, count - n) },
      (_, i) => log({ startedAtMs: NOW_MS + n + i }),
    );
    await store.logs.write({ inserts, updates: [] });
  }
}

/** Takes steps until nothing is left; answers how much each one took. */
async function removeAll(store: Store, bound: CleanupBound, limit: number): Promise<number[]> {
  const steps: number[] = [];
  for (let more = true; more;) {
    const step = await store.logCleanup.remove(bound, limit);
    steps.push(step.removed);
    more = step.more;
  }
  return steps;
}

Deno.test("logCleanup.remove() removes 40,000 rows in one step if it is asked to", () =>
  withStore({}, async (store) => {
    await fill(store, 40_001);
    const step = await store.logCleanup.remove({ beforeId: 40_001 }, 40_000);
    deepEqual([step.removed, (await store.logs.page({}, FIRST)).total], [40_000, 1]);
  }));

Deno.test("logCleanup.remove() takes the oldest rows first, so many at a time, and says when none is left", () =>
  withStore({}, async (store) => {
    await fill(store, 25);
    deepEqual(await removeAll(store, { beforeMs: NOW_MS + 15 }, 10), [10, 5]);
    deepEqual((await store.logs.page({}, FIRST)).rows.at(-1)?.id, 16);
    deepEqual(await removeAll(store, { beforeId: 16 }, 10), [0]);
    deepEqual(await removeAll(store, { beforeId: 26 }, 10), [10, 0]);
  }));

Deno.test("logCleanup.remove() goes by the start of a row, not by its id", () =>
  withStore({}, async (store) => {
    const inserts = [5, 1, 9].map((ms) => log({ startedAtMs: NOW_MS + ms }));
    await store.logs.write({ inserts, updates: [] });
    await removeAll(store, { beforeMs: NOW_MS + 6 }, 10);
    deepEqual((await store.logs.page({}, FIRST)).rows.map(({ id }) => id), [3]);
  }));

Deno.test("logCleanup.remove() takes recorded bodies along, and ends a step early where they are large", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await fill(store, 6);
      sql(path, (database) => {
        const insert = database.prepare("INSERT INTO chat_ios (log_id, input, of_string) VALUES (?, ?, ?)");
        const body = "x".repeat(5 * 1024 * 1024);
        for (const id of [1, 2, 3, 4, 6]) insert.run(id, body, body);
      });
      deepEqual(await removeAll(store, { beforeId: 6 }, 1_000), [1, 1, 1, 2]);
      const left = sql(path, (database) => database.prepare("SELECT log_id FROM chat_ios").all());
      deepEqual(left.map((row) => row["log_id"]), [6]);
    });
  }));

Deno.test("logCleanup.oldestOfNewest() counts rows that nobody has deleted", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await fill(store, 5);
      sql(path, (database) => database.exec("UPDATE chat_logs SET deleted_at = created_at WHERE id = 4"));
      equal(await store.logCleanup.oldestOfNewest(2), 3);
      equal(await store.logCleanup.oldestOfNewest(4), 1);
      equal(await store.logCleanup.oldestOfNewest(5), null);
      equal(await store.logCleanup.newestId(), 5);
    });
  }));

Deno.test("logCleanup.history() answers what was recorded, newest first, and trimHistory() keeps the newest", () =>
  withStore({}, async (store) => {
    for (let n = 1; n <= 5; n++) {
      await store.logCleanup.record({
        retentionDays: n,
        deletedCount: 10 * n,
        durationMs: 1.4,
        source: "manual",
        type: "days",
      });
    }
    await store.logCleanup.trimHistory(3);
    const { rows, total } = await store.logCleanup.history({ page: 1, pageSize: 2 });
    equal(total, 3);
    deepEqual(rows.map(({ id, retentionDays }) => [id, retentionDays]), [[5, 5], [4, 4]]);
    deepEqual(rows[0], {
      id: 5,
      createdAt: "2026-05-20T12:00:00.06Z",
      updatedAt: "2026-05-20T12:00:00.06Z",
      retentionDays: 5,
      deletedCount: 50,
      durationMs: 1,
      source: "manual",
      type: "days",
    });
  }));

Deno.test("logCleanup.giveBack() makes the file smaller, step by step", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await fill(store, 8_000);
      await store.logCleanup.checkpoint();
      const full = (await Deno.stat(path)).size;
      await store.logCleanup.remove({ beforeId: 8_000 }, 8_000);
      let free = await store.logCleanup.freePages();
      equal(free > 500, true);
      while (free > 0) {
        const left = await store.logCleanup.giveBack(200);
        equal(left, Math.max(0, free - 200));
        free = left;
      }
      deepEqual(await store.logCleanup.checkpoint(), { heldBytes: 0 });
      await store.logCleanup.shrinkLog();
      equal((await Deno.stat(path)).size < full / 4, true);
      equal((await Deno.stat(`${path}-wal`)).size, 0);
    });
  }));

Deno.test("logCleanup.checkpoint() says how much a reader holds, and waits for nobody", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await fill(store, 10);
      using reader = new DatabaseSync(path);
      reader.exec("BEGIN");
      reader.prepare("SELECT count(*) FROM chat_logs").get();
      await fill(store, 2_000);
      equal((await store.logCleanup.checkpoint()).heldBytes > 100_000, true);
      await store.logCleanup.shrinkLog();
      reader.exec("ROLLBACK");
      equal((await store.logCleanup.checkpoint()).heldBytes, 0);
    });
  }));
