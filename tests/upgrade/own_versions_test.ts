/** A file of every earlier version of this program is upgraded as well. @module */
import { deepEqual, equal } from "node:assert/strict";
import { Database } from "../../src/store/database.ts";
import { migrate, MIGRATIONS_DIRECTORY, readMigrations } from "../../src/store/migrate.ts";
import { upgradeFile } from "../../src/store/upgrade_report.ts";
import { backupsIn, inFolder, NOW_MS, sql } from "../store/fixtures.ts";
import { cellsOf } from "./cells.ts";

const MIGRATIONS = readMigrations(MIGRATIONS_DIRECTORY);

/** Makes a file as an earlier version left it, with a row in each table of the old programs. */
function makeFile(path: string, version: number): void {
  const database = new Database(path);
  try {
    database.transaction(
      "write",
      () => migrate(database, MIGRATIONS.slice(0, version), "2026-05-01 00:00:00+00:00"),
    );
    const time = "'2026-05-02 08:00:00+08:00'";
    database.exec(`
      INSERT INTO providers (created_at, name, type, config) VALUES (${time}, 'p', 'openai', '{"base_url":"http://127.0.0.1:2/v1"}');
      INSERT INTO models (created_at, name, max_retry, time_out) VALUES (${time}, 'm', 3, 60);
      INSERT INTO model_with_providers (created_at, model_id, provider_id, provider_model) VALUES (${time}, 1, 1, 'up');
      INSERT INTO chat_logs (created_at, name, provider_name, status, total_tokens) VALUES (${time}, 'm', 'p', 'success', 7);
      INSERT INTO auth_keys (created_at, name, key, status) VALUES (${time}, 'k', 'sk-llmio-x', 1);
    `);
  } finally {
    database.close();
  }
}

Deno.test("a file of every earlier version of this program keeps its rows and counts its log once", async (t) => {
  for (const { version } of MIGRATIONS.slice(0, -1)) {
    await t.step(`version ${version}`, () =>
      inFolder(async (folder) => {
        const path = `${folder}/llmio.db`;
        makeFile(path, version);
        const before = cellsOf(path);
        const { upToDate } = await upgradeFile(path, { nowMs: NOW_MS, timeZone: "UTC" });
        equal(upToDate, false);
        const again = await upgradeFile(path, { nowMs: NOW_MS, timeZone: "UTC" });
        equal(again.upToDate, true);
        sql(path, (database) => {
          // A capability that was never set in a file of our own is a no.
          equal(database.prepare("SELECT tool_call FROM model_with_providers").get()?.["tool_call"], null);
          const days = database.prepare("SELECT day, attempts, total_tokens FROM usage_days").all();
          // From version 8 on, rows are counted as they are written, and those of an old program at the next start.
          const counted = version < 8 ? [["2026-05-02", 1, 7]] : [];
          deepEqual(days.map((row) => Object.values(row)), counted);
        });
        const after = cellsOf(path);
        for (const table of ["providers", "models", "model_with_providers", "auth_keys", "configs"]) {
          for (const [id, row] of before.get(table) ?? []) {
            const { display_order: _numbered, ...rest } = row;
            deepEqual({ ...after.get(table)?.get(id), ...rest }, after.get(table)?.get(id), `${table} ${id}`);
          }
        }
        const [backup] = backupsIn(folder);
        equal(backup?.startsWith(`llmio.db.backup-${version}-`), true);
        deepEqual(cellsOf(`${folder}/${backup}`), before);
        equal(
          sql(path, (database) => database.prepare("PRAGMA integrity_check").get()?.["integrity_check"]),
          "ok",
        );
      }));
  }
});
