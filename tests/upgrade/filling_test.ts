/** What an upgrade fills in, and the copy that it makes first. @module */
import { deepEqual, equal } from "node:assert/strict";
import { upgradeFile } from "../../src/store/upgrade_report.ts";
import { backupsIn, filesIn, inFolder, makeLegacyFiles, NOW_MS, sql, withStore } from "../store/fixtures.ts";
import { cellsOf } from "./cells.ts";
import { makeOlderFiles } from "./older_files.ts";

Deno.test("names for models from before llmio v0.1.0 are found in the column that it left over", () =>
  inFolder(async (folder) => {
    const files = makeOlderFiles(folder, (await makeLegacyFiles(folder)).upstream, ["v0.0.1"]);
    const path = files.get("v0.0.1") ?? "";
    const named =
      "SELECT id, provider_name AS name FROM model_with_providers WHERE deleted_at IS NULL ORDER BY id";
    const before = sql(path, (database) => database.prepare(named).all());
    await withStore({ path }, async (store) => {
      const { associations } = await store.routing();
      deepEqual(
        associations.map(({ id, providerModel }) => [id, providerModel]),
        before.map(({ id, name }) => [id, name ?? ""]),
      );
    });
  }));

Deno.test("the days of providers come from the last 30 days of the log, in the configured zone, and add up to its rows", () =>
  inFolder(async (folder) => {
    const { upstream: path } = await makeLegacyFiles(folder);
    await upgradeFile(path, { nowMs: NOW_MS, timeZone: "America/New_York" });
    sql(path, (database) => {
      const days = database.prepare(
        `SELECT date, sum(total_requests) AS total, sum(success_requests) AS ok, sum(failed_requests) AS failed,
           sum(total_tokens) AS tokens FROM provider_usage_stats GROUP BY date ORDER BY date`,
      ).all();
      // Midnight in UTC, told in the zone: at the evening of the day before.
      equal(days[0]?.["date"], "2026-04-19 20:00:00-04:00");
      equal(days.at(-1)?.["date"], "2026-05-18 20:00:00-04:00");
      equal(days.length, 30);
      // 20 April to 19 May begin and end at 04:00 UTC.
      const logged = database.prepare(
        `SELECT date(unixepoch(created_at) - 4 * 3600, 'unixepoch') AS day, count(*) AS total,
           sum(status = 'success') AS ok, sum(status = 'error') AS failed, sum(total_tokens) AS tokens
         FROM chat_logs WHERE provider_name <> '' AND unixepoch(created_at) >= unixepoch('2026-04-20 04:00:00')
           AND provider_name IN (SELECT name FROM providers WHERE deleted_at IS NULL)
         GROUP BY 1 ORDER BY 1`,
      ).all();
      deepEqual(
        days.map(({ total, ok, failed, tokens }) => [total, ok, failed, tokens]),
        logged.map(({ total, ok, failed, tokens }) => [total, ok, failed, tokens]),
      );
    });
  }));

Deno.test("a provider starts as healthy and never checked, unless the fork has a verdict on it", () =>
  inFolder(async (folder) => {
    const { upstream, ma } = await makeLegacyFiles(folder);
    await withStore({ path: upstream }, async (store) => {
      const states = await store.health.states();
      deepEqual(states.map(({ providerId }) => providerId), [1, 2, 3, 5, 6, 8]);
      for (const { health } of states) {
        deepEqual([health.isHealthy, health.errorCount, health.lastCheckedAt, health.lastSuccessAt], [
          true,
          0,
          null,
          null,
        ]);
      }
    });
    sql(ma, (database) => database.exec("DELETE FROM provider_validations WHERE provider_id = 8"));
    const before = cellsOf(ma).get("provider_validations");
    await upgradeFile(ma, { nowMs: NOW_MS });
    const after = cellsOf(ma).get("provider_validations");
    equal(after?.size, 6);
    for (const [id, row] of before ?? []) {
      deepEqual({ ...after?.get(id), ...row }, after?.get(id), "the fork's verdict stays");
    }
  }));

Deno.test("a copy left half-made by a killed start is made anew, and never counts as a backup", () =>
  inFolder(async (folder) => {
    const { upstream: path } = await makeLegacyFiles(folder);
    const before = cellsOf(path);
    for (const ending of ["", "-journal"]) {
      await Deno.writeTextFile(`${path}.partial-backup${ending}`, "half a page");
    }
    await upgradeFile(path, { nowMs: NOW_MS });
    const [backup] = backupsIn(folder);
    deepEqual(backupsIn(folder), [backup]);
    deepEqual(cellsOf(`${folder}/${backup}`), before);
    deepEqual(filesIn(folder).filter((name) => name.includes("partial")), []);
  }));

Deno.test("a backup that is there already is not made a second time", () =>
  inFolder(async (folder) => {
    const { ma: path } = await makeLegacyFiles(folder);
    await upgradeFile(path, { nowMs: NOW_MS });
    const backups = backupsIn(folder);
    await Deno.copyFile(`${folder}/${backups[0]}`, path);
    await upgradeFile(path, { nowMs: NOW_MS + 1_000_000 });
    deepEqual(backupsIn(folder), backups);
    sql(path, (database) => database.exec("UPDATE providers SET console = 'changed'"));
    await Deno.copyFile(`${folder}/${backups[0]}`, path);
    sql(path, (database) => database.exec("UPDATE providers SET console = 'changed'"));
    await upgradeFile(path, { nowMs: NOW_MS + 1_000_000 });
    equal(backupsIn(folder).length, 2, "one of another content is");
  }));
