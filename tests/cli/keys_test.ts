import assert from "node:assert/strict";
import { hashKey, keyMask } from "../../src/access/key_text.ts";
import { rehash } from "../../src/cli/keys.ts";
import { runProgram } from "../../src/cli/program.ts";
import type { SettingValues } from "../../src/settings.ts";
import { filesIn, inFolder, makeLegacyFiles, openOnce, sql, withStore } from "../store/fixtures.ts";
import { record } from "./recorded_run.ts";

/** The command as it is called by hand. Its flag wins over any variable of this process. */
const program = (...args: string[]) =>
  record((terminal) => runProgram(args, { terminal, serve: () => Promise.resolve(99) }));

const command = (flags: SettingValues, env: SettingValues = {}) =>
  record((terminal) => rehash(flags, terminal, env));

function plainKeys(path: string): string[] {
  return sql(
    path,
    (database) =>
      database.prepare("SELECT key FROM auth_keys WHERE deleted_at IS NULL AND key <> '' ORDER BY id").all(),
  )
    .map(({ key }) => String(key));
}

Deno.test("llmio keys rehash hashes the plain keys of an llmio file and says what that means", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    const plain = plainKeys(upstream);
    assert.equal(plain.length, 3);

    const { code, out, err } = await program("keys", "rehash", "--db", upstream);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^backed up .*\n/, "an old file is backed up before its first change");
    assert.ok(out.includes(`3 keys in ${upstream} are now stored as a hash.`), out);
    assert.match(out, /the old program can no longer check them/);
    for (const key of plain) assert.ok(!out.includes(key.slice(9)));

    assert.deepEqual(plainKeys(upstream), []);
    await withStore({ path: upstream }, async (store) => {
      const keys = await store.authKeys.list();
      assert.deepEqual(keys.map(({ hash }) => hash), plain.map(hashKey));
      assert.deepEqual(keys.map(({ mask }) => mask), plain.map((key) => keyMask(key)));
    });
  }));

Deno.test("rehash() changes nothing the second time, and says so", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    sql(path, (database) =>
      database.exec("INSERT INTO auth_keys (name, key) VALUES ('a', 'sk-llmio-0123456789abcdef')"));
    const first = await command({ db: path });
    assert.deepEqual([first.code, first.err], [0, ""]);
    assert.ok(first.out.includes(`1 key in ${path} is now stored as a hash.`), first.out);
    const row = () => ({
      ...sql(path, (database) =>
        database.prepare("SELECT * FROM auth_keys").get()),
    });
    const stored = row();
    assert.deepEqual(await command({ db: path }), {
      code: 0,
      out: `No key in ${path} is stored in plain text; nothing was changed.\n`,
      err: "",
    });
    assert.deepEqual(row(), stored);
  }));

Deno.test("rehash() takes the database of LLMIO_DB and no notice of the gateway's other settings", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await openOnce(path);
    const env = { LLMIO_DB: path, LLMIO_HOST: "0.0.0.0", LLMIO_SERVER_PORT: "x" };
    assert.equal((await command({}, env)).code, 0);
    assert.equal((await command({ db: path }, { LLMIO_DB: `${folder}/other.db` })).code, 0);
  }));

Deno.test("rehash() makes no database where there is none", () =>
  inFolder(async (folder) => {
    for (const db of [`${folder}/llmio.db`, folder, ":memory:"]) {
      assert.deepEqual(await command({ db }), {
        code: 2,
        out: "",
        err: `llmio: there is no database at ${db}; name it with --db or LLMIO_DB\n`,
      });
    }
    assert.deepEqual(filesIn(folder), []);
  }));

Deno.test("rehash() ends with one line when it is called wrongly or the file is no database", () =>
  inFolder(async (folder) => {
    const path = `${folder}/notes.txt`;
    await Deno.writeTextFile(
      path,
      "these are no tables, but they are long enough to be looked at ".repeat(40),
    );
    const broken = await command({ db: path });
    assert.deepEqual([broken.code, broken.out], [1, ""]);
    assert.match(broken.err, /^llmio: [^\n]*notes\.txt[^\n]*\n$/);
    assert.deepEqual(filesIn(folder), ["notes.txt"]);

    const zone = await command({ db: path, tz: "Nowhere/Land" });
    assert.deepEqual([zone.code, zone.out], [2, ""]);
    assert.match(zone.err, /^llmio: --tz: "Nowhere\/Land" [^\n]*\n$/);
  }));

Deno.test("llmio keys explains itself and refuses what it does not know", async () => {
  for (const args of [["keys", "--help"], ["keys", "rehash", "--help"]]) {
    const { code, out, err } = await program(...args);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /rehash/);
  }
  assert.match((await program("keys", "rehash", "--help")).out, /--db <file>[^]*\[LLMIO_DB\]/);
  const cases: [args: string[], problem: RegExp][] = [
    [["keys"], /keys needs a command: rehash/],
    [["keys", "rehsah"], /unknown command "keys rehsah"/],
    [["keys", "rehash", "now"], /too many arguments/],
    [["keys", "rehash", "--bd", "x"], /unknown option '--bd'/],
  ];
  for (const [args, problem] of cases) {
    const { code, out, err } = await program(...args);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, problem);
    assert.match(err, /^llmio: [^\n]*; see llmio --help\n$/);
  }
});
