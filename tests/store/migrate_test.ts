import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { openStore } from "../../src/store/open.ts";
import { StoreOpenError } from "../../src/store/errors.ts";
import { backupsIn, dump, inFolder, makeLegacyFiles, openOnce, sql } from "./fixtures.ts";

const OWN = new URL("../../migrations/", import.meta.url);
/** The program's own migrations, in order. */
const OWN_NAMES = [...Deno.readDirSync(OWN)].map(({ name }) => name).sort();
/** The name of the n-th migration after the program's own ones. */
const more = (n: number) => `${String(OWN_NAMES.length + n).padStart(4, "0")}_more.sql`;

/** A folder with the program's own migrations and the given ones after them. */
function withMigrations(folder: string, ...texts: string[]): URL {
  const directory = pathToFileURL(`${folder}/migrations/`);
  Deno.mkdirSync(directory, { recursive: true });
  for (const name of OWN_NAMES) Deno.copyFileSync(new URL(name, OWN), new URL(name, directory));
  texts.forEach((text, index) => Deno.writeTextFileSync(new URL(more(index + 1), directory), text));
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
      match(
        String(error),
        new RegExp(`migration ${more(2)} of .* failed \\(no such table: nowhere.*not changed`),
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
    await rejects(openStore({ path, migrations }), new RegExp(more(1)));
    deepEqual(dump(path), before);
  }));

Deno.test("a migration runs once, after a backup named after the version before it", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    const migrations = withMigrations(folder, "CREATE TABLE counted (a); INSERT INTO counted VALUES (1);");
    await openOnce(path, { migrations });
    deepEqual(await openOnce(path, { migrations }), []);
    deepEqual(backupsIn(folder), [`llmio.db.backup-${OWN_NAMES.length}-20260520T120000Z`]);
    sql(path, (database) => {
      equal(database.prepare("SELECT count(*) AS n FROM counted").get()?.["n"], 1);
      deepEqual(
        database.prepare("SELECT version, name FROM schema_migrations").all().map((row) =>
          Object.values(row)
        ),
        [...OWN_NAMES, more(1)].map((name, index) => [index + 1, name]),
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
    await Deno.writeTextFile(new URL("0999_gap.sql", migrations), "SELECT 1;");
    await rejects(openStore({ path: ":memory:", migrations }), /0999_gap\.sql is out of order/);
  }));

Deno.test("two processes that open a new file at once both get a complete one", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const stores = await Promise.all([openStore({ path }), openStore({ path })]);
    await Promise.all(stores.map((store) => store.ping()));
    await Promise.all(stores.map((store) => store.close()));
    equal(sql(path, (database) => database.prepare("SELECT count(*) AS n FROM configs").get()?.["n"]), 1);
  }));
