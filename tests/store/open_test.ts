import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { StoreError, StoreOpenError } from "../../src/store/errors.ts";
import { openStore } from "../../src/store/open.ts";
import {
  backupsIn,
  dump,
  filesIn,
  inFolder,
  log,
  NOW_MS,
  openOnce,
  provider,
  sql,
  withStore,
} from "./fixtures.ts";

/** Expects that the file is refused in one line that names it, and is left as it was. */
async function refused(path: string, reason: RegExp): Promise<void> {
  const before = (await Deno.stat(path)).isFile ? await Deno.readFile(path) : undefined;
  await rejects(openStore({ path }), (error: unknown) => {
    equal(error instanceof StoreOpenError, true);
    const { message } = error as StoreOpenError;
    match(message, reason);
    equal(message.includes(path) && !message.includes("\n"), true, message);
    return true;
  });
  if (before !== undefined) deepEqual(await Deno.readFile(path), before);
}

Deno.test("openStore() makes the folder and a complete new file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/some/where/llmio.db`;
    const notices = await openOnce(path);
    equal(notices.length, 2);
    match(notices[0] ?? "", /^made a new database: there was none at .*\/some\/where\/llmio\.db$/);
    match(notices[1] ?? "", /^applied 0001_llmio\.sql, 0002_/);
    deepEqual(backupsIn(`${folder}/some/where`), []);
    const tables = new Set(Object.keys(dump(path)));
    const expected = [
      "auth_keys",
      "chat_ios",
      "chat_logs",
      "configs",
      "health_check_configs",
      "log_cleanup_records",
      "model_with_providers",
      "models",
      "provider_usage_stats",
      "provider_validations",
      "providers",
      "schema_migrations",
    ];
    deepEqual(expected.filter((name) => !tables.has(name)), []);
  }));

Deno.test("openStore() gives a new file the rows that the old programs start with", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    await openOnce(path);
    sql(path, (database) => {
      deepEqual(database.prepare("SELECT key, value FROM configs").all().map((row) => ({ ...row })), [
        { key: "log_cleanup_policy", value: '{"enabled":false,"retention_days":30}' },
      ]);
      deepEqual(
        database.prepare(
          "SELECT enabled, interval_minutes, max_error_count, retry_after_hours FROM health_check_configs",
        )
          .all().map((row) => Object.values(row)),
        [[1, 5, 5, 1]],
      );
    });
  }));

Deno.test("openStore() keeps a new file to its owner, and sets it up for space to come back", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    if (Deno.build.os !== "windows") equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    sql(path, (database) => {
      equal(database.prepare("PRAGMA auto_vacuum").get()?.["auto_vacuum"], 2);
      equal(database.prepare("PRAGMA journal_mode").get()?.["journal_mode"], "wal");
    });
  }));

Deno.test("openStore() takes an empty file as a new one", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await Deno.writeFile(path, new Uint8Array());
    await withStore({ path }, async (store) => deepEqual(await store.providers.list({}), []));
    deepEqual(backupsIn(folder), []);
  }));

Deno.test("openStore() finds again what was written before", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await store.providers.create(provider());
      await store.logs.write({ inserts: [log()], updates: [] });
    });
    await withStore({ path }, async (store) => {
      equal((await store.providers.list({})).length, 1);
      equal((await store.logs.page({}, { page: 1, pageSize: 20 })).total, 1);
    });
  }));

Deno.test("openStore() works in memory, each store on its own", () =>
  withStore({}, async (one) => {
    await one.providers.create(provider());
    await withStore({}, async (other) => deepEqual(await other.providers.list({}), []));
    equal((await one.routing()).providers.length, 1);
  }));

Deno.test("openStore() refuses a folder, a text file, and the file of another program", () =>
  inFolder(async (folder) => {
    await refused(folder, /is a folder/);

    await Deno.writeTextFile(`${folder}/notes.txt`, "not a database, but long enough to have a header");
    await refused(`${folder}/notes.txt`, /not an SQLite database/);

    sql(`${folder}/other.db`, (database) => database.exec("CREATE TABLE users (id integer)"));
    await refused(`${folder}/other.db`, /not an llmio database/);

    sql(
      `${folder}/rails.db`,
      (database) => database.exec("CREATE TABLE schema_migrations (version varchar)"),
    );
    await refused(`${folder}/rails.db`, /not an llmio database/);
  }));

Deno.test("openStore() refuses a damaged file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    const bytes = await Deno.readFile(path);
    bytes.fill(0xa5, 4096, 4096 * 8);
    await Deno.writeFile(path, bytes);
    await refused(path, /is damaged/);
  }));

Deno.test("openStore() refuses a file of a newer version", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    sql(path, (database) => {
      database.exec("INSERT INTO schema_migrations VALUES (9000, '9000_future.sql', '')");
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    });
    await refused(path, /newer llmio \(schema 9000; this one knows \d+\)/);
  }));

Deno.test("openStore() says so when the folder cannot be made or an option is wrong", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    await rejects(openStore({ path: `${folder}/file/llmio.db` }), StoreOpenError);
    await rejects(openStore({ path: "" }), StoreOpenError);
    await rejects(openStore({ path: ":memory:", timeZone: "Mars/Olympus" }), /no time zone "Mars\/Olympus"/);
  }));

Deno.test("openStore() gives up when its signal is aborted", () =>
  inFolder(async (folder) => {
    const controller = new AbortController();
    const opening = openStore({ path: `${folder}/llmio.db`, signal: controller.signal });
    controller.abort(new Error("stop now"));
    await rejects(opening, /stop now/);
    await rejects(openStore({ path: ":memory:", signal: controller.signal }), /stop now/);
  }));

Deno.test("a call waits while another connection holds the write lock", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      const other = new DatabaseSync(path);
      other.exec("BEGIN IMMEDIATE");
      const creating = store.providers.create(provider());
      // Reading goes on meanwhile.
      deepEqual(await store.providers.list({}), []);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      other.exec("COMMIT");
      other.close();
      equal((await creating).name, "acme");
    });
  }));

Deno.test("close() waits for what is under way, refuses what comes after, and can be called again", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const store = await openStore({ path });
    const writing = store.logs.write({ inserts: [log(), log()], updates: [] });
    const closing = store.close();
    await rejects(store.ping(), (error: unknown) => error instanceof StoreError && error.reason === "closed");
    deepEqual(await writing, [1, 2]);
    await Promise.all([closing, store.close()]);
    await rejects(store.providers.list({}), /the store is closed/);
    // One file is left: the write-ahead log has been emptied into it.
    deepEqual(filesIn(folder), ["llmio.db"]);
  }));

Deno.test("ping() resolves while the database answers", () => withStore({}, (store) => store.ping()));

Deno.test("a failed call says which it was and leaves the store usable", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      sql(path, (database) => database.exec("DROP TABLE model_with_providers"));
      await rejects(
        store.associations.ofModel(1),
        (error: unknown) =>
          error instanceof StoreError && /^associations\.ofModel: no such table/.test(error.message),
      );
      deepEqual(await store.models.list(), []);
    });
  }));

Deno.test("rows carry the time of the caller's clock in the store's zone", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path, timeZone: "Asia/Shanghai", now: () => NOW_MS }, async (store) => {
      equal((await store.providers.create(provider())).createdAt, "2026-05-20T20:00:00.06+08:00");
    });
    const stored = sql(path, (database) => database.prepare("SELECT updated_at FROM providers").get());
    equal(stored?.["updated_at"], "2026-05-20 20:00:00.06+08:00");
  }));
