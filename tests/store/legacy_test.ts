import { deepEqual, equal, match } from "node:assert/strict";
import {
  backupsIn,
  dump,
  inFolder,
  makeLegacyFiles,
  model,
  NOW_MS,
  openOnce,
  provider,
  sql,
  withStore,
} from "./fixtures.ts";

type Rows = Record<string, Record<string, unknown>[]>;

/** Of every row that was there before, the columns that it had. Those are what the old programs still see. */
function sameAsBefore(before: Rows, after: Rows): void {
  for (const [table, rows] of Object.entries(before)) {
    if (table === "sqlite_sequence") continue;
    const now = new Map(after[table]?.map((row) => [row["id"], row]));
    for (const row of rows) {
      const seen = Object.fromEntries(
        Object.keys(row).map((column) => [column, now.get(row["id"])?.[column]]),
      );
      deepEqual(seen, row, `${table} ${row["id"]}`);
    }
  }
}

Deno.test("openStore() backs up an older file before its first change", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await Deno.chmod(upstream, 0o640);
    const before = dump(upstream);
    const notices = await openOnce(upstream);

    const backups = backupsIn(folder);
    deepEqual(backups, ["legacy-upstream.db.backup-legacy-20260520T120000Z"]);
    const backup = `${folder}/${backups[0]}`;
    deepEqual(dump(backup), before);
    if (Deno.build.os !== "windows") equal(((await Deno.stat(backup)).mode ?? 0) & 0o777, 0o640);
    match(notices[0] ?? "", /backed up .* to .*backup-legacy-20260520T120000Z/);
  }));

Deno.test("openStore() backs up once, and never over another backup", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await Deno.writeTextFile(`${upstream}.backup-legacy-20260520T120000Z`, "precious");
    await openOnce(upstream);
    await openOnce(upstream);
    deepEqual(backupsIn(folder).sort(), [
      "legacy-upstream.db.backup-legacy-20260520T120000Z",
      "legacy-upstream.db.backup-legacy-20260520T120000Z-1",
    ]);
    equal(await Deno.readTextFile(`${upstream}.backup-legacy-20260520T120000Z`), "precious");
  }));

Deno.test("openStore() backs up what still is in the write-ahead log", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    const before = sql(ma, (database) => {
      database.exec("PRAGMA journal_mode = WAL; UPDATE providers SET console = 'late' WHERE id = 1");
      Deno.copyFileSync(ma, `${folder}/copy.db`);
      Deno.copyFileSync(`${ma}-wal`, `${folder}/copy.db-wal`);
      return dump(ma);
    });
    await openOnce(`${folder}/copy.db`);
    deepEqual(dump(`${folder}/copy.db.backup-legacy-20260520T120000Z`), before);
  }));

Deno.test("an llmio file keeps every row and column that it had", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    const before = dump(upstream) as Rows;
    await openOnce(upstream);
    const after = dump(upstream) as Rows;
    sameAsBefore(before, after);
    for (const [table, rows] of Object.entries(before)) {
      if (!table.startsWith("sqlite_")) equal(after[table]?.length, rows.length, table);
    }
  }));

Deno.test("a file of the fork keeps every row; only capabilities that were never set become a yes", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    const before = dump(ma) as Rows;
    await openOnce(ma);
    for (const row of before["model_with_providers"] ?? []) {
      if (row["deleted_at"] !== null) continue;
      for (const flag of ["tool_call", "structured_output", "image"]) row[flag] ??= 1n;
    }
    sameAsBefore(before, dump(ma) as Rows);
  }));

Deno.test("an llmio file lists what the old program listed, under the same ids", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await withStore({ path: upstream }, async (store) => {
      const { providers, models, associations } = await store.routing();
      deepEqual(providers.map(({ id }) => id), [8, 6, 5, 3, 2, 1]);
      deepEqual(models.map(({ id, name }) => [id, name]), [
        [5, "推理-o3"],
        [4, "gemini-flash"],
        [3, "claude-sonnet"],
        [2, "gpt-4o-mini"],
        [1, "gpt-4o"],
      ]);
      deepEqual(associations.map(({ id }) => id), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

      // Kept as it was written, line breaks included; NULL in a text column is "".
      equal(
        providers.find(({ id }) => id === 2)?.config,
        '{\n  "base_url": "https://acme-west.example/v1",\n  "api_key": "sk-test-legacy-2"\n}',
      );
      equal(providers.find(({ id }) => id === 1)?.proxy, "");
      equal(providers.every(({ enabled }) => enabled), true);
      deepEqual(associations.find(({ id }) => id === 5)?.customerHeaders, {
        "X-Team": "测试",
        "anthropic-beta": "ctx-1m",
      });
      // A capability that was never set is a no here.
      const bare = associations.find(({ id }) => id === 12);
      deepEqual([bare?.toolCall, bare?.status, bare?.customerHeaders, bare?.inputPrice], [
        null,
        null,
        null,
        null,
      ]);

      const page = await store.logs.page({}, { page: 1, pageSize: 100 });
      equal(page.total, 2000);
      equal(page.rows[0]?.id, 3000);
      equal(new Set(page.rows.map(({ keyName }) => keyName)).has("团队 A"), true);
      // The key with id 3 is deleted.
      deepEqual(
        [
          ...new Set(
            (await store.logs.page({ authKeyId: 3 }, { page: 1, pageSize: 20 })).rows.map((row) =>
              row.keyName
            ),
          ),
        ],
        [""],
      );
      const next = await store.providers.create(provider());
      equal(next.id, 10, "ids of deleted rows are not used again");
    });
  }));

Deno.test("a file of the fork lists what the fork listed, capable of what it took as capable", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    await withStore({ path: ma }, async (store) => {
      const { providers, models, associations } = await store.routing();
      deepEqual(providers.map(({ id }) => id), [8, 6, 5, 3, 2, 1]);
      deepEqual(models.map(({ strategy }) => strategy), [
        "lottery",
        "lottery",
        "lottery",
        "lottery",
        "lottery",
      ]);
      deepEqual(models.map(({ displayOrder }) => displayOrder), [5, 4, 3, 2, 1]);
      const bare = associations.find(({ id }) => id === 10);
      deepEqual([bare?.toolCall, bare?.structuredOutput, bare?.image], [true, true, true]);
      equal(associations.find(({ id }) => id === 4)?.toolCall, false);

      // 25 of 2025 rows were cleared by the fork.
      const all = await store.logs.page({}, { page: 1, pageSize: 20 });
      equal(all.total, 2000);
      const [ok, failed] = await Promise.all(
        ["success", "error"].map((status) => store.logs.page({ status }, { page: 1, pageSize: 20 })),
      );
      equal((ok?.total ?? 0) + (failed?.total ?? 0), 2000);
      equal((await store.logs.page({ authKeyId: 0 }, { page: 1, pageSize: 20 })).total, 2000);
    });
  }));

Deno.test("in a file of both programs only the rows of the fork become capable", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    sql(
      upstream,
      (database) =>
        database.exec(
          `CREATE TABLE provider_validations (id integer PRIMARY KEY, created_at datetime, updated_at datetime,
             provider_id integer NOT NULL UNIQUE, is_healthy BOOLEAN, error_count INTEGER, last_error TEXT)`,
        ),
    );
    await withStore({ path: upstream }, async (store) => {
      const { associations } = await store.routing();
      equal(associations.find(({ id }) => id === 12)?.image, true, "written by the fork");
      equal(associations.find(({ id }) => id === 10)?.image, null, "written by llmio");
    });
  }));

Deno.test("times of old log rows become comparable", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await openOnce(upstream);
    sql(upstream, (database) => {
      const rows = database.prepare("SELECT created_at, started_at_ms FROM chat_logs").all();
      for (const { created_at, started_at_ms } of rows) {
        const expected = Date.parse(String(created_at).replace(" ", "T"));
        // SQLite rounds where JavaScript cuts off.
        equal(Math.abs(Number(started_at_ms) - expected) <= 1, true, String(created_at));
      }
      // A row that the old program writes later is taken in at the next start.
      database.exec("INSERT INTO chat_logs (created_at, name) VALUES ('2026-05-21 08:00:00+08:00', 'x')");
    });
    await openOnce(upstream);
    const late = sql(upstream, (database) =>
      database.prepare("SELECT started_at_ms FROM chat_logs WHERE name = 'x'").get());
    equal(late?.["started_at_ms"], Date.UTC(2026, 4, 21));
  }));

Deno.test("closeAbandoned() ends the rows that a killed process left running", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await withStore({ path: upstream }, async (store) => {
      const { rows } = await store.logs.page({ status: "running" }, { page: 1, pageSize: 100 });
      equal(rows.length, 12);
      equal(await store.logs.closeAbandoned(), 12);
      equal(await store.logs.closeAbandoned(), 0);
      const ended = await store.logs.page({ id: rows[0]?.id ?? 0 }, { page: 1, pageSize: 1 });
      deepEqual(
        ended.rows.map(({ status, outcome, error }) => [status, outcome, error]),
        [["error", "gateway_fault", "the gateway stopped before this answer ended"]],
      );
    });
  }));

Deno.test("a file of a very old llmio gets what it lacks, and its unique names do not stand in the way", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const head =
      "id integer PRIMARY KEY AUTOINCREMENT, created_at datetime, updated_at datetime, deleted_at datetime";
    sql(path, (database) =>
      database.exec(`
        CREATE TABLE providers (${head}, name text UNIQUE, type text, config text);
        CREATE TABLE models (${head}, name text UNIQUE, remark text);
        CREATE TABLE model_with_providers (${head}, model_id integer, provider_name text, provider_id integer, weight integer);
        CREATE TABLE chat_logs (${head}, name text, provider_name text, status text, error text);
        INSERT INTO providers (id, name, type, config) VALUES (7, 'old', 'openai', 'not json');
        INSERT INTO providers (id, name, deleted_at) VALUES (8, 'gone', '2025-01-01 00:00:00+00:00');
        INSERT INTO models (id, name) VALUES (3, 'gpt-4');
        INSERT INTO model_with_providers (id, model_id, provider_id) VALUES (4, 3, 7);
        INSERT INTO chat_logs (id, name, status) VALUES (5, 'gpt-4', 'success');
      `));
    await withStore({ path }, async (store) => {
      const { providers, models, associations } = await store.routing();
      deepEqual(providers.map(({ id, config, proxy, createdAt }) => [id, config, proxy, createdAt]), [
        [7, "not json", "", "0001-01-01T00:00:00Z"],
      ]);
      deepEqual(
        models.map(({ id, maxRetry, strategy, displayOrder }) => [id, maxRetry, strategy, displayOrder]),
        [
          [3, 0, "lottery", 1],
        ],
      );
      deepEqual(associations.map(({ id, weight, toolCall }) => [id, weight, toolCall]), [[4, 0, true]]);
      equal((await store.logs.page({ name: "gpt-4" }, { page: 1, pageSize: 20 })).rows[0]?.keyName, "admin");

      equal((await store.providers.create(provider({ name: "gone" }))).id, 9);
      await store.models.remove([3]);
      equal((await store.models.create(model({ name: "gpt-4" }))).name, "gpt-4");
    });
  }));

Deno.test("what the old programs do at their start still works on the file", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    await openOnce(ma, { now: () => NOW_MS });
    sql(ma, (database) =>
      database.exec(`
        ALTER TABLE providers ADD COLUMN a_later_column text;
        CREATE INDEX IF NOT EXISTS idx_chat_logs_created_at ON chat_logs(created_at DESC);
        INSERT INTO providers (created_at, name) VALUES ('2026-05-20 12:00:00+08:00', 'by the old program');
        INSERT INTO model_with_providers (model_id, provider_id) VALUES (1, 1);
        INSERT INTO chat_logs (created_at, name, status) VALUES ('2026-05-20 12:00:00+08:00', 'gpt-4o', 'success');
      `));
    await withStore({ path: ma }, async (store) => {
      const [newest] = await store.providers.list({ name: "old program" });
      deepEqual([newest?.enabled, newest?.type], [true, ""]);
      equal((await store.logs.page({ authKeyId: 0 }, { page: 1, pageSize: 20 })).total, 2001);
    });
  }));
