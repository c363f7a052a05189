import { deepEqual, equal, match } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { dump, filesIn, inFolder, makeLegacyFiles, openOnce, provider, sql, withStore } from "./fixtures.ts";

/** Everything that a file consists of, but for what the planner has learnt. */
function contents(path: string): { schema: unknown[]; rows: Record<string, unknown[]> } {
  const schema = sql(
    path,
    (database) =>
      database.prepare(
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1, 2",
      )
        .all().map((row) => ({ ...row })),
  );
  const { sqlite_stat1: _one, sqlite_stat4: _four, ...rows } = dump(path);
  return { schema, rows };
}

const pragma = (path: string, name: string) =>
  sql(path, (database) => Number(database.prepare(`PRAGMA ${name}`).get()?.[name]));

Deno.test("a file of an old program is rewritten with everything that was in it, and gives space back from then on", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    await Deno.chmod(upstream, 0o640);
    await openOnce(upstream);
    sql(upstream, (database) => {
      database.exec(`
        CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);
        INSERT INTO notes (body) SELECT hex(randomblob(2000)) FROM chat_logs;
        DELETE FROM notes WHERE id > 3;
        INSERT INTO notes VALUES (9007199254740993, NULL), (11, '漢字''"'), (12, x'00ff');
        CREATE TRIGGER no_notes BEFORE DELETE ON notes BEGIN SELECT raise(ABORT, 'kept'); END;
        CREATE VIEW short AS SELECT id FROM notes;
        PRAGMA user_version = 7;
      `);
    });
    const before = contents(upstream);
    equal(pragma(upstream, "auto_vacuum"), 0);
    const size = (await Deno.stat(upstream)).size;

    const notices = await openOnce(upstream, { compact: true });
    match(notices.join("\n"), /rewrote .*legacy-upstream\.db: it had [\d.]+ MiB and has [\d.]+ MiB/);
    deepEqual(contents(upstream), before);
    deepEqual([pragma(upstream, "auto_vacuum"), pragma(upstream, "user_version")], [2, 7]);
    const { size: after, mode } = await Deno.stat(upstream);
    equal(after < size - 4_000_000, true, `${after} of ${size}`);
    if (Deno.build.os !== "windows") equal((mode ?? 0) & 0o777, 0o640);
    equal(filesIn(folder).some((name) => name.endsWith(".compact")), false);
  }));

Deno.test("ids of rows that are gone are not used again in a rewritten file", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await store.providers.create(provider());
      await store.providers.remove([1]);
    });
    sql(path, (database) => database.exec("DELETE FROM providers"));
    await withStore({ path, compact: true }, async (store) => {
      equal((await store.providers.create(provider())).id, 2);
    });
  }));

Deno.test("a file that another program reads stays as it is, and the start goes on", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, (store) => store.providers.create(provider()).then(() => {}));
    using other = new DatabaseSync(path);
    other.exec("BEGIN");
    other.prepare("SELECT count(*) FROM providers").get();
    const notices: string[] = [];
    await withStore({ path, compact: true, notice: (line) => notices.push(line) }, async (store) => {
      equal((await store.providers.list({})).length, 1);
    });
    match(
      notices.join("\n"),
      /could not rewrite .*llmio\.db, so it keeps its size \(.*\): stop other programs/,
    );
    equal(filesIn(folder).some((name) => name.endsWith(".compact")), false);
  }));

Deno.test("what an interrupted rewriting has left is no obstacle", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    await Deno.writeTextFile(`${path}.compact`, "half a file");
    match((await openOnce(path, { compact: true })).join("\n"), /rewrote/);
    deepEqual(filesIn(folder), ["llmio.db"]);
  }));

Deno.test("a database in memory has nothing to rewrite", async () => {
  deepEqual((await openOnce(":memory:", { compact: true })).filter((line) => line.includes("rew")), []);
});
