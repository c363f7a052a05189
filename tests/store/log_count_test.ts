/** Rules of the number of log rows. @module */
import { equal } from "node:assert/strict";
import type { Store } from "../../src/store/store.ts";
import { inFolder, log, makeLegacyFiles, sql, withStore } from "./fixtures.ts";

const FULL_PAGE = { page: 1, pageSize: 1 };

const total = async (store: Store) => (await store.logs.page({}, FULL_PAGE)).total;

const counted = (path: string) =>
  sql(
    path,
    (database) =>
      Number(database.prepare("SELECT count(*) AS n FROM chat_logs WHERE deleted_at IS NULL").get()?.["n"]),
  );

Deno.test("the total of the whole log is right whoever writes, removes, deletes softly and takes that back", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      equal(await total(store), 0);
      await store.logs.write({ inserts: Array.from({ length: 10 }, () => log()), updates: [] });
      equal(await total(store), 10);
      await store.logs.write({ inserts: [], updates: [{ ...log({ status: "error" }), id: 3 }] });
      equal(await total(store), 10);
      await store.logCleanup.remove({ beforeId: 4 }, 100);
      equal(await total(store), 7);
      const changes: [statement: string, total: number][] = [
        ["UPDATE chat_logs SET deleted_at = '2026-05-20 12:00:00+00:00' WHERE id <= 6", 4],
        ["UPDATE chat_logs SET deleted_at = '2026-05-21 12:00:00+00:00' WHERE id <= 6", 4],
        ["DELETE FROM chat_logs WHERE id = 4", 4],
        ["UPDATE chat_logs SET deleted_at = NULL WHERE id = 5", 5],
        ["INSERT INTO chat_logs (created_at, name) VALUES ('2026-05-20 12:00:00+00:00', 'old')", 6],
        ["INSERT INTO chat_logs (created_at, deleted_at) VALUES ('2026-05-20', '2026-05-20')", 6],
      ];
      for (const [statement, expected] of changes) {
        sql(path, (database) => database.exec(statement));
        equal(await total(store), expected, statement);
        equal(counted(path), expected, statement);
      }
    });
    await withStore({ path }, async (store) => equal(await total(store), 6));
    sql(path, (database) => database.exec("DELETE FROM chat_logs"));
    await withStore({ path }, async (store) => equal(await total(store), 0));
  }));

Deno.test("the total is right in files of the old programs", () =>
  inFolder(async (folder) => {
    for (const path of Object.values(await makeLegacyFiles(folder))) {
      const expected = counted(path);
      await withStore({ path }, async (store) => equal(await total(store), expected, path));
    }
  }));

Deno.test("the total is right after an old program has made the table anew, without our triggers", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore(
      { path },
      (store) =>
        store.logs.write({ inserts: Array.from({ length: 5 }, () => log()), updates: [] }).then(() => {}),
    );
    sql(path, (database) => {
      const table = database.prepare("SELECT sql FROM sqlite_schema WHERE name = 'chat_logs'").get()?.["sql"];
      database.exec(`
        ${String(table).replace("chat_logs", "chat_logs__temp")};
        INSERT INTO chat_logs__temp SELECT * FROM chat_logs;
        DROP TABLE chat_logs;
        ALTER TABLE chat_logs__temp RENAME TO chat_logs;
        DELETE FROM chat_logs WHERE id = 1;
      `);
    });
    await withStore({ path }, async (store) => {
      equal(await total(store), 4);
      await store.logs.write({ inserts: [log()], updates: [] });
      equal(await total(store), 5);
    });
  }));
