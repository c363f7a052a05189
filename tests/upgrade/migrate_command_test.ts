/** `llmio migrate` upgrades a file or says what that would change. @module */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { runProgram } from "../../src/cli/program.ts";
import type { UpgradeReport } from "../../src/store/upgrade_report.ts";
import { program } from "../cli/program_process.ts";
import { record, type RecordedRun } from "../cli/recorded_run.ts";
import { backupsIn, dump, filesIn, inFolder, makeLegacyFiles, openOnce, sql } from "../store/fixtures.ts";

function migrate(...args: string[]): Promise<RecordedRun> {
  return record((terminal) =>
    runProgram(["migrate", ...args], { terminal, serve: () => Promise.resolve(99) })
  );
}

async function report(...args: string[]): Promise<UpgradeReport> {
  const { code, out, err } = await migrate("--json", ...args);
  deepEqual([code, err], [0, ""]);
  return JSON.parse(out);
}

/** Everything in a folder that a write could change. */
async function stateOf(folder: string): Promise<unknown[]> {
  return await Promise.all(
    filesIn(folder).map(async (name) => {
      const { mtime, ino, mode } = await Deno.stat(`${folder}/${name}`);
      return [name, mtime, ino, mode, await Deno.readFile(`${folder}/${name}`)];
    }),
  );
}

Deno.test("llmio migrate --dry-run says what would change, and writes neither to the file nor beside it", () =>
  inFolder(async (folder) => {
    const { ma, upstream } = await makeLegacyFiles(folder);
    const before = await stateOf(folder);
    const { code, out, err } = await migrate("--dry-run", "--db", ma, "--tz", "UTC");
    deepEqual([code, err], [0, ""]);
    match(out, /^.*legacy-ma\.db \(1\.0 MiB\): written by llmio enhanced\.\n/);
    match(
      out,
      /\nBackup:\n {2}.*legacy-ma\.db\.backup-legacy-\d{8}T\d{6}Z\nMigrations:\n {2}0001_llmio\.sql\n/,
    );
    match(out, /\n {2}model_with_providers\.tool_call: 3 rows \(.*a yes/);
    match(out, /\n {2}models: .*display_order/);
    match(out, /\n {2}chat_logs: 2025, 2025\n/);
    match(out, /\nNothing was changed: this was a dry run\.\n$/);

    const llmio = await migrate("--dry-run", "--db", upstream);
    match(llmio.out, /written by llmio, v0\.8\.7 or later/);
    match(llmio.out, /\n {2}provider_validations: 6 rows/);
    match(llmio.out, /\n {2}provider_usage_stats: \d+ rows/);
    match(llmio.out, /\nThe next start of the gateway ends 12 log rows that still say "running"\.\n/);
    deepEqual(await stateOf(folder), before);
  }));

Deno.test("llmio migrate does what the dry run said, backs up first, and has nothing to do the second time", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    const original = dump(ma);
    const { dryRun, backup: promised, ...said } = await report("--dry-run", "--db", ma, "--tz", "UTC");
    const { dryRun: real, backup, ...done } = await report("--db", ma, "--tz", "UTC");
    deepEqual([dryRun, real], [true, false]);
    deepEqual(done, said);
    match(promised ?? "", /legacy-ma\.db\.backup-legacy-/);
    deepEqual(backupsIn(folder).map((name) => `${folder}/${name}`), [backup]);
    deepEqual(dump(backup ?? ""), original);
    equal(done.origin.kind, "legacy");
    ok(
      done.filled.some(({ table, column, rows }) =>
        table === "models" && column === "display_order" && rows === 5
      ),
    );

    const { code, out } = await migrate("--db", ma);
    equal(code, 0);
    match(out, /is up to date: a database of this program, schema \d+\.\n$/);
    equal((await report("--dry-run", "--db", ma)).upToDate, true);
    equal(backupsIn(folder).length, 1);
    deepEqual(await openOnce(ma), [], "the server finds nothing left to do");
  }));

Deno.test("llmio migrate --dry-run sees what is only in the write-ahead log, and what a killed program has left half-done", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    const [waiting, torn] = [`${folder}/waiting.db`, `${folder}/torn.db`];
    sql(ma, (database) => {
      database.exec(
        "PRAGMA journal_mode = WAL; UPDATE models SET name = 'late'; DELETE FROM chat_logs WHERE id > 100",
      );
      Deno.copyFileSync(ma, waiting);
      Deno.copyFileSync(`${ma}-wal`, `${waiting}-wal`);
      database.exec("PRAGMA journal_mode = DELETE; PRAGMA cache_spill = 1; PRAGMA cache_size = 1; BEGIN");
      database.exec("UPDATE chat_logs SET error = hex(randomblob(2000)); DELETE FROM models");
      Deno.copyFileSync(ma, torn);
      Deno.copyFileSync(`${ma}-journal`, `${torn}-journal`);
      database.exec("ROLLBACK");
    });
    const before = await stateOf(folder);
    for (const path of [waiting, torn]) {
      const { rows } = await report("--dry-run", "--db", path);
      deepEqual(rows["chat_logs"], { before: 100, after: 100 }, path);
      deepEqual(rows["models"], { before: 6, after: 6 }, path);
    }
    deepEqual(await stateOf(folder), before);
  }));

Deno.test("llmio migrate refuses in one line what it cannot upgrade, tried out or not, and leaves it as it was", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    await Deno.mkdir(`${folder}/files`);
    const file = (name: string) => `${folder}/files/${name}.db`;
    await Deno.writeTextFile(file("notes"), "not a database, but long enough to have a header");
    sql(file("other"), (database) => database.exec("CREATE TABLE users (id integer)"));
    const bytes = await Deno.readFile(ma);
    bytes.fill(0xa5, 4096, 4096 * 200);
    await Deno.writeFile(file("damaged"), bytes);
    await openOnce(file("newer"));
    sql(file("newer"), (database) => {
      database.exec("INSERT INTO schema_migrations VALUES (9000, '9000_future.sql', '')");
      database.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
    });
    const refusals: [name: string, reason: RegExp][] = [
      ["missing", /there is no database at .*missing\.db: name the right file with --db or LLMIO_DB/],
      ["notes", /notes\.db is not an SQLite database/],
      ["other", /other\.db is not an llmio database .*this file was not changed/],
      ["damaged", /damaged\.db is damaged .*this file was not changed/],
      ["newer", /newer\.db was written by a newer llmio \(schema 9000; .*this file was not changed/],
    ];
    const before = await stateOf(`${folder}/files`);
    for (const [name, reason] of refusals) {
      for (const flags of [[], ["--dry-run"]]) {
        const { code, out, err } = await migrate("--db", file(name), ...flags);
        deepEqual([code, out], [1, ""], name);
        match(err, reason);
        match(err, /^llmio: [^\n]+\n$/);
        ok(!err.includes("llmio-copy"), "files are called by their own names");
      }
    }
    deepEqual(await stateOf(`${folder}/files`), before);
  }));

Deno.test("llmio migrate refuses a file that another program is writing to; a dry run reads what that has committed", () =>
  inFolder(async (folder) => {
    const { ma } = await makeLegacyFiles(folder);
    const other = new DatabaseSync(ma);
    other.exec("BEGIN IMMEDIATE; DELETE FROM models");
    const { code, err } = await migrate("--db", ma);
    equal(code, 1);
    match(
      err,
      /^llmio: cannot open .*legacy-ma\.db: another program holds its lock; stop that program first\n$/,
    );
    deepEqual((await report("--dry-run", "--db", ma)).rows["models"], { before: 6, after: 6 });
    other.exec("ROLLBACK");
    other.close();
    deepEqual(backupsIn(folder), []);
  }));

Deno.test("llmio migrate is called wrongly with a database in memory, an unknown zone or an argument", async () => {
  for (const args of [["--db", ":memory:"], ["--tz", "Mars/Olympus"], ["now"], ["--wet-run"]]) {
    const { code, out, err } = await migrate(...args);
    deepEqual([code, out], [2, ""], args.join(" "));
    match(err, /^llmio: [^\n]+\n$/);
  }
});

Deno.test("llmio migrate --dry-run needs no more permissions than the gateway, and leaves no copy behind", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await Deno.mkdir(`${folder}/tmp`);
    const { code, stdout, stderr } = await program(["migrate", "--dry-run", "--json", "--db", upstream], {
      env: { TMPDIR: `${folder}/tmp` },
      stdout: "piped",
      stderr: "piped",
    }).output();
    equal(code, 0, new TextDecoder().decode(stderr));
    equal(JSON.parse(new TextDecoder().decode(stdout)).dryRun, true);
    deepEqual(filesIn(`${folder}/tmp`), []);
  }));
