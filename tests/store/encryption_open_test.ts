import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { encryptionStatus } from "../../src/store/encryption_commands.ts";
import { openEncryptedStore } from "../../src/store/encryption_open.ts";
import { StoreOpenError } from "../../src/store/errors.ts";
import { openStore } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";
import { backupsIn, inFolder, makeLegacyFiles, openOnce, provider, sql, withStore } from "./fixtures.ts";

const SECRET = "the secret of the store's tests";
const CONFIG = '{"base_url":"https://a.example/v1","api_key":"sk-canary"}';

interface Opened {
  readonly notices: string[];
  readonly warnings: string[];
}

/** Opens a file with the secret, runs the test on it and closes it. */
async function opened(path: string, test: (store: Store) => Promise<void> = async () => {}): Promise<Opened> {
  const said: Opened = { notices: [], warnings: [] };
  const store = await openEncryptedStore({
    path,
    secret: SECRET,
    notice: (line) => said.notices.push(line),
    warn: (line) => said.warnings.push(line),
  });
  try {
    await test(store);
  } finally {
    await store.close();
  }
  return said;
}

async function includes(path: string, text: string): Promise<boolean> {
  return new TextDecoder("latin1").decode(await Deno.readFile(path)).includes(text);
}

Deno.test("openEncryptedStore() leaves a file alone for which there is no secret", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const store = await openEncryptedStore({ path, secret: null, warn: () => {} });
    await store.providers.create(provider({ config: CONFIG }));
    equal(await store.encryption.get(), null);
    await store.close();
    equal(await includes(path, "sk-canary"), true);
  }));

Deno.test("openEncryptedStore() says what it has encrypted, once", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, (store) => store.providers.create(provider({ config: CONFIG })).then(() => {}));
    const first = await opened(path, async (store) => {
      equal((await store.providers.get(1))?.config, CONFIG);
    });
    deepEqual(first.warnings, []);
    deepEqual(first.notices.map((line) => line.replace(/it had.*/, "…")), [
      `encrypted 1 stored credentials in ${path}; from now on it opens only with this secret, so keep a copy`,
      `rewrote ${path}: …`,
    ]);
    deepEqual(await opened(path), { notices: [], warnings: [] });
    equal(await includes(path, "sk-canary"), false);
  }));

Deno.test("openEncryptedStore() encrypts a file of an old program with its deleted rows, and names the plain copy", () =>
  inFolder(async (folder) => {
    const { upstream } = await makeLegacyFiles(folder);
    const keys = sql(upstream, (database) => database.prepare("SELECT config FROM providers").all())
      .map(({ config }) => String(config)).filter((config) => config.length > 10);
    equal(keys.length > 0, true);
    const { warnings } = await opened(upstream);
    const [copy = ""] = backupsIn(folder);
    deepEqual(warnings, [
      `older copies of ${upstream} hold its credentials in plain text: ${copy}; remove them when you no longer need them`,
    ]);
    for (const key of keys) {
      equal(await includes(upstream, key), false, key);
    }
    const { plain, fits, damaged } = await encryptionStatus(upstream, SECRET);
    deepEqual([plain, fits, damaged], [0, true, []]);
    deepEqual(await opened(upstream), { notices: [], warnings: [] });
  }));

Deno.test("openEncryptedStore() does not encrypt a file that another program has open", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (other) => {
      await other.providers.create(provider({ config: CONFIG }));
      await rejects(opened(path), (error: unknown) => {
        equal(error instanceof StoreOpenError, true);
        equal(
          (error as Error).message,
          `${path} is open in another program, and its encryption cannot be changed while that is so: stop the ` +
            "gateway that uses it and try again",
        );
        return true;
      });
      equal(await other.encryption.get(), null);
      equal((await other.providers.get(1))?.config, CONFIG);
    });
  }));

Deno.test("openEncryptedStore() lets several programs use a file that is encrypted", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await opened(path);
    await opened(path, async (one) => {
      await opened(path, async (other) => {
        await one.providers.create(provider({ config: CONFIG }));
        equal((await other.providers.get(1))?.config, CONFIG);
      });
    });
  }));

Deno.test("openEncryptedStore() encrypts what another program has written in plain since", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await opened(path, (store) => store.providers.create(provider({ config: "{}" })).then(() => {}));
    sql(
      path,
      (database) => database.prepare("UPDATE providers SET config = ?, proxy = ?").run(CONFIG, "http://p"),
    );
    const { warnings } = await opened(path, async (store) => {
      const row = await store.providers.get(1);
      deepEqual([row?.config, row?.proxy], [CONFIG, "http://p"]);
    });
    deepEqual(warnings, [
      `another program had written credentials to ${path} in plain text; they are encrypted now`,
    ]);
    equal(await includes(path, "sk-canary"), false);
    deepEqual(await opened(path), { notices: [], warnings: [] });
  }));

Deno.test("openEncryptedStore() goes on with plain texts that it cannot encrypt now, and says so", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await opened(path, (store) => store.providers.create(provider({ config: "{}" })).then(() => {}));
    const other = await openStore({ path });
    try {
      await other.providers.update(1, provider({ config: CONFIG }));
      const { warnings } = await opened(path, async (store) => {
        equal((await store.providers.get(1))?.config, CONFIG);
      });
      equal(warnings.length, 1);
      match(
        warnings[0] ?? "",
        /holds credentials in plain text that another program has written: .* is open in/,
      );
    } finally {
      await other.close();
    }
    match((await opened(path)).warnings.join(), /they are encrypted now$/);
  }));

Deno.test("openEncryptedStore() rewrites a file at a later start when it could not at the first", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await store.providers.create(provider({ config: CONFIG }));
    });
    await opened(path);
    // As a kill between encrypting and rewriting leaves it: the probe of another state, with remnants in free space.
    const store = await openEncryptedStore({ path, secret: SECRET, warn: () => {} });
    await store.close();
    const { removed } = await remnantsIn(path);
    equal(removed, false);
    await Deno.mkdir(`${path}.compact`);
    await Deno.writeTextFile(`${path}.compact/in-the-way`, "");
    const blocked = await opened(path);
    match(blocked.notices.join(), /could not rewrite/);
    deepEqual(blocked.warnings, [
      `${path} may still hold remnants of plain texts until it can be rewritten; the next start tries again`,
    ]);
    equal(await includes(path, "sk-canary-remnant"), true);
    await Deno.remove(`${path}.compact`, { recursive: true });
    match((await opened(path)).notices.join(), /^rewrote /);
    equal(await includes(path, "sk-canary-remnant"), false);
    deepEqual(await opened(path), { notices: [], warnings: [] });
  }));

/** Puts a file into the state between encrypting and rewriting, with something in its free pages. */
async function remnantsIn(path: string): Promise<{ removed: boolean }> {
  const { readFileState } = await import("../../src/store/encryption_change.ts");
  const { encryptionOf, unlock } = await import("../../src/store/encryption_probe.ts");
  const { encryption } = readFileState(path);
  if (encryption === null) throw new Error("the file is not encrypted");
  const unlocked = await unlock(path, encryption, SECRET);
  if (unlocked === null) throw new Error("the secret does not fit");
  const { probe } = await encryptionOf(unlocked.vault, encryption, "remnants");
  sql(path, (database) => {
    database.prepare("UPDATE encryption SET probe = ?").run(probe);
    database.prepare("CREATE TABLE scrap (text TEXT)").run();
    database.prepare("INSERT INTO scrap VALUES (?)").run("sk-canary-remnant".repeat(2000));
    database.exec("DROP TABLE scrap");
  });
  return { removed: !await includes(path, "sk-canary-remnant") };
}

Deno.test("openEncryptedStore() leaves nothing open when it refuses", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await opened(path);
    for (const secret of [null, "not the secret of the file"]) {
      await rejects(openEncryptedStore({ path, secret, warn: () => {} }), StoreOpenError);
    }
    // The test's own check for leaks would find a worker; a lock would be found here.
    sql(path, (database) => database.exec("PRAGMA journal_mode = DELETE"));
    equal((await openOnce(path)).length, 0);
  }));
