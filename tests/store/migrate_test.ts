import { deepEqual, equal, rejects } from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { openStore } from "../../src/store/open.ts";
import { StoreOpenError } from "../../src/store/errors.ts";
import { backupsIn, dump, inFolder, makeLegacyFiles, openOnce, sql } from "./fixtures.ts";

/** A folder with the program's own migrations and the given ones after them. */
function withMigrations(folder: string, ...more: string[]): URL {
  const own = new URL("../../migrations/", import.meta.url);
  const directory = pathToFileURL(`${folder}/migrations/`);
  Deno.mkdirSync(directory, { recursive: true });
  const names = [...Deno.readDirSync(own)].map(({ name }) => name);
  for (const name of names) Deno.copyFileSync(new URL(name, own), new URL(name, directory));
  more.forEach((text, index) => {
    const number = String(names.length + 1 + index).padStart(4, "0");
    Deno.writeTextFileSync(new URL(`${number}_more.sql`, directory), text);
  });
  return directory;
}

Deno.test("a migration that fails leaves an old file as it was and names itself", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    const before = await Deno.readFile(upstream);
    const migrations = withMigrations(
      folder,
      "CREATE TABLE fine (a);",
      "CREATE TABLE wrong (a);\nINSERT INTO nowhere VALUES (1);",
    );
    await rejects(openStore({ path: upstream, migrations }), (error: unknown) => {
      equal(error instanceof StoreOpenError, true);
      equal(
        /migration 0004_more\.sql of .* failed \(no such table: nowhere.*not changed/.test(String(error)),
        true,
        String(error),
      );
      return true;
    });
    deepEqual(await Deno.readFile(upstream), before);
    await openOnce(upstream);
  }));

Deno.test("a migration that fails leaves a file of our own as it was", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    const before = dump(path);
    const migrations = withMigrations(folder, "DELETE FROM configs; SELECT nothing;");
    await rejects(openStore({ path, migrations }), /0003_more\.sql/);
    deepEqual(dump(path), before);
  }));

Deno.test("a migration runs once, after a backup named after the version before it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    const migrations = withMigrations(folder, "CREATE TABLE counted (a); INSERT INTO counted VALUES (1);");
    await openOnce(path, { migrations });
    deepEqual(await openOnce(path, { migrations }), []);
    deepEqual(backupsIn(folder), ["llmio.db.backup-2-20260520T120000Z"]);
    sql(path, (database) => {
      equal(database.prepare("SELECT count(*) AS n FROM counted").get()?.["n"], 1);
      deepEqual(
        database.prepare("SELECT version, name FROM schema_migrations").all().map((row) =>
          Object.values(row)
        ),
        [[1, "0001_llmio.sql"], [2, "0002_gateway.sql"], [3, "0003_more.sql"]],
      );
    });
  }));

Deno.test("a migration may add a column that is there already", () =>
  inFolder(async (folder) => {
    const migrations = withMigrations(
      folder,
      "ALTER TABLE providers ADD COLUMN proxy text; ALTER TABLE `providers` ADD `tier` integer DEFAULT 4;",
    );
    await openOnce(`${folder}/llmio.db`, { migrations });
    sql(`${folder}/llmio.db`, (database) => {
      const columns = database.prepare("SELECT name FROM pragma_table_info('providers')").all();
      equal(columns.filter(({ name }) => name === "proxy").length, 1);
      equal(columns.filter(({ name }) => name === "tier").length, 1);
    });
  }));

Deno.test("migrations must be numbered without gaps", () =>
  inFolder(async (folder) => {
    const migrations = withMigrations(folder);
    await Deno.writeTextFile(new URL("0009_gap.sql", migrations), "SELECT 1;");
    await rejects(openStore({ path: ":memory:", migrations }), /0009_gap\.sql is out of order/);
  }));

Deno.test("two processes that open a new file at once both get a complete one", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const stores = await Promise.all([openStore({ path }), openStore({ path })]);
    await Promise.all(stores.map((store) => store.ping()));
    await Promise.all(stores.map((store) => store.close()));
    equal(sql(path, (database) => database.prepare("SELECT count(*) AS n FROM configs").get()?.["n"]), 1);
  }));
