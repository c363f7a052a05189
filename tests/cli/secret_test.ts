import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import { newDerivation, Vault } from "../../src/access/vault.ts";
import { runProgram } from "../../src/cli/program.ts";
import { SECRET_COMMANDS, type SecretFlags } from "../../src/cli/secret.ts";
import { openEncryptedStore } from "../../src/store/encryption_open.ts";
import { openStore } from "../../src/store/open.ts";
import { dump, filesIn, inFolder, openOnce, provider, sql } from "../store/fixtures.ts";
import { record, type RecordedRun } from "./recorded_run.ts";

const OLD = "the old secret of the tests";
const NEW = "the new secret of the tests";
const CONFIG = '{"base_url":"https://a.example/v1","api_key":"sk-canary"}';

function run(
  command: keyof typeof SECRET_COMMANDS,
  flags: SecretFlags = {},
  env: Record<string, string> = {},
): Promise<RecordedRun> {
  return record((terminal) => SECRET_COMMANDS[command].run(flags, { terminal, env }));
}

/** The command as it is called by hand. */
const program = (...args: string[]) => record((terminal) => runProgram(args, { terminal }));

/** Runs a test on a file with providers, encrypted with {@linkcode OLD} unless told otherwise. */
function onFile(test: (db: string) => Promise<void>, secret: string | null = OLD): Promise<void> {
  return inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const store = await openEncryptedStore({ path, secret, warn: () => {} });
    await store.providers.create(provider({ config: CONFIG, proxy: "http://u:p@canary:1" }));
    await store.providers.create(provider({ name: "second", config: CONFIG }));
    await store.close();
    await test(path);
  });
}

/** The configs that a gateway with this secret works with. */
async function configsWith(path: string, secret: string | null): Promise<string[]> {
  const store = await openEncryptedStore({ path, secret, warn: () => {} });
  try {
    return (await store.routing()).providers.map(({ config }) => config);
  } finally {
    await store.close();
  }
}

Deno.test("llmio secret new prints a fresh secret and nothing else", async () => {
  const [one, other] = [await run("new"), await run("new")];
  match(one.out, /^[\w-]{43}\n$/);
  deepEqual([one.code, one.err], [0, ""]);
  notEqual(one.out, other.out);
});

Deno.test("llmio secret status tells a plain file from an encrypted one and changes neither", async () => {
  await onFile(async (db) => {
    const before = await Deno.readFile(db);
    deepEqual(await run("status", { db }), {
      code: 0,
      out: `${db} is not encrypted; to encrypt it, start the gateway with LLMIO_SECRET\n`,
      err: "",
    });
    deepEqual(await Deno.readFile(db), before);
  }, null);
  await onFile(async (db) => {
    const before = await Deno.readFile(db);
    const line =
      `${db} is encrypted (AES-256-GCM, key by PBKDF2-SHA-256 with 600000 iterations); encrypted texts: 3\n`;
    deepEqual(await run("status", {}, { LLMIO_DB: db }), { code: 0, out: line, err: "" });
    deepEqual(await run("status", { db }, { LLMIO_SECRET: OLD }), {
      code: 0,
      out: `${line}The secret given opens all of them.\n`,
      err: "",
    });
    deepEqual(await run("status", { db, secret: NEW }), {
      code: 1,
      out: line,
      err: `llmio: the secret given is not the one that ${db} is encrypted with\n`,
    });
    deepEqual(await Deno.readFile(db), before);
    deepEqual(filesIn(db.replace("/llmio.db", "")), ["llmio.db"]);
  });
});

Deno.test("llmio secret status names what does not open, and counts what was written in plain", () =>
  onFile(async (db) => {
    const foreign = await (await Vault.derive(NEW, { ...newDerivation(), iterations: 10 })).seal("{}", "c");
    sql(db, (database) => {
      database.prepare("UPDATE providers SET config = ? WHERE id = 1").run(foreign);
      database.prepare("UPDATE providers SET config = ? WHERE id = 2").run(CONFIG);
    });
    const { code, err } = await run("status", { db, secret: OLD });
    equal(code, 1);
    equal(
      err,
      `llmio: ${db} holds 1 texts in plain; the gateway encrypts them at its next start\n` +
        'llmio: the config of provider "acme" (id 1) cannot be decrypted; enter it again\n',
    );
  }));

Deno.test("llmio secret rotate makes the new secret the only one", () =>
  onFile(async (db) => {
    const sealedBefore = sql(db, (database) => database.prepare("SELECT config, proxy FROM providers").all())
      .flatMap(({ config, proxy }) => [config, proxy].map(String)).filter((text) => text !== "");
    const rotated = await run("rotate", { db }, { LLMIO_SECRET: OLD, LLMIO_NEW_SECRET: NEW });
    deepEqual(rotated, {
      code: 0,
      out: `encrypted 3 texts in ${db} with the new secret; start the gateway with it from now on\n`,
      err: "",
    });
    deepEqual(await configsWith(db, NEW), [CONFIG, CONFIG]);
    equal((await run("status", { db, secret: OLD })).code, 1);
    // Nothing under the old secret is left anywhere in the file.
    const bytes = new TextDecoder("latin1").decode(await Deno.readFile(db));
    equal(sealedBefore.length, 3);
    for (const text of sealedBefore) equal(bytes.includes(text.slice(7, 60)), false);
    // A rotation whose end nobody saw is asked for again.
    deepEqual(await run("rotate", { db }, { LLMIO_SECRET: OLD, LLMIO_NEW_SECRET: NEW }), {
      code: 0,
      out: `${db} is encrypted with the new secret already\n`,
      err: "",
    });
  }));

Deno.test("llmio secret rotate takes the new secret from a file", () =>
  onFile(async (db) => {
    const file = `${db}.secret`;
    await Deno.writeTextFile(file, `${NEW}\n`);
    equal((await run("rotate", { db, "new-secret-file": file }, { LLMIO_SECRET: OLD })).code, 0);
    deepEqual(await configsWith(db, NEW), [CONFIG, CONFIG]);
  }));

Deno.test("llmio secret rotate carries over what does not open, and names it", () =>
  onFile(async (db) => {
    const foreign = await (await Vault.derive(NEW, { ...newDerivation(), iterations: 10 })).seal("{}", "c");
    sql(db, (database) => database.prepare("UPDATE providers SET config = ? WHERE id = 1").run(foreign));
    const { code, err } = await run("rotate", { db }, { LLMIO_SECRET: OLD, LLMIO_NEW_SECRET: NEW });
    equal(code, 0);
    equal(
      err,
      'llmio: warning: the config of provider "acme" (id 1) cannot be decrypted and stays as it is; enter it again\n',
    );
    deepEqual(await configsWith(db, NEW), [CONFIG, ""]);
    equal(sql(db, (database) => database.prepare("SELECT config FROM providers").get()?.["config"]), foreign);
  }));

Deno.test("llmio secret remove decrypts every text, and warns of it", () =>
  onFile(async (db) => {
    deepEqual(await run("remove", { db, secret: OLD }), {
      code: 0,
      out: `decrypted 3 texts in ${db}; start the gateway without LLMIO_SECRET from now on\n`,
      err: `llmio: warning: whoever can read ${db} can now read the credentials of its providers\n`,
    });
    deepEqual(await configsWith(db, null), [CONFIG, CONFIG]);
    equal(dump(db)["encryption"]?.length, 0);
  }));

Deno.test("llmio secret refuses in one line what it cannot do, and changes nothing", () =>
  onFile(async (db) => {
    const before = dump(db);
    const wrong = `the secret given is not the one that ${db} is encrypted with: set LLMIO_SECRET or ` +
      "LLMIO_SECRET_FILE to that one";
    const both = { LLMIO_SECRET: OLD, LLMIO_NEW_SECRET: NEW };
    const missing = `${db}.missing`;
    const cases: [keyof typeof SECRET_COMMANDS, SecretFlags, Record<string, string>, number, string][] = [
      ["rotate", { db }, { ...both, LLMIO_SECRET: "a wrong secret, a wrong one" }, 1, wrong],
      ["remove", { db, secret: NEW }, {}, 1, wrong],
      [
        "remove",
        { db },
        {},
        1,
        `${db} is encrypted and no secret is given: set LLMIO_SECRET or LLMIO_SECRET_FILE to the secret that it ` +
        "was encrypted with",
      ],
      [
        "rotate",
        { db },
        { LLMIO_NEW_SECRET: NEW },
        2,
        `no secret is given: set LLMIO_SECRET to the one that ${db} is encrypted with`,
      ],
      [
        "rotate",
        { db },
        { LLMIO_SECRET: OLD },
        2,
        "no new secret is given: set LLMIO_NEW_SECRET, or name a file with --new-secret-file; llmio secret new " +
        "prints one",
      ],
      [
        "rotate",
        { db },
        { ...both, LLMIO_NEW_SECRET: OLD },
        2,
        "the new secret is the old one; llmio secret new prints another",
      ],
      [
        "rotate",
        { db },
        { ...both, LLMIO_NEW_SECRET: "short" },
        2,
        "LLMIO_NEW_SECRET: the value is shorter than 16 characters",
      ],
      [
        "rotate",
        { db, "new-secret-file": missing },
        { LLMIO_SECRET: OLD },
        2,
        `--new-secret-file: cannot read "${missing}": `,
      ],
      [
        "rotate",
        { db: missing },
        both,
        1,
        `there is no database at ${missing}: name the right file with --db or LLMIO_DB`,
      ],
    ];
    for (const [command, flags, env, code, problem] of cases) {
      const said = await run(command, flags, env);
      deepEqual([said.code, said.out], [code, ""], said.err);
      equal(said.err.startsWith(`llmio: ${problem}`), true, said.err);
      equal(said.err.indexOf("\n"), said.err.length - 1);
      equal([OLD, NEW].some((secret) => said.err.includes(secret)), false);
    }
    deepEqual(dump(db), before);
    deepEqual(filesIn(db.replace("/llmio.db", "")), ["llmio.db"]);
  }));

Deno.test("llmio secret refuses to change a plain file", () =>
  onFile(async (db) => {
    for (const command of ["rotate", "remove"] as const) {
      const { code, err } = await run(command, { db }, { LLMIO_SECRET: OLD, LLMIO_NEW_SECRET: NEW });
      equal(code, 1);
      equal(err, `llmio: ${db} is not encrypted; to encrypt it, start the gateway with LLMIO_SECRET\n`);
    }
  }, null));

Deno.test("llmio secret does not change a file that another program has open", () =>
  onFile(async (db) => {
    const store = await openStore({ path: db });
    try {
      for (const command of ["rotate", "remove"] as const) {
        const { code, out, err } = await run(command, { db }, { LLMIO_SECRET: OLD, LLMIO_NEW_SECRET: NEW });
        deepEqual([code, out], [1, ""]);
        equal(
          err,
          `llmio: ${db} is open in another program, and its encryption cannot be changed while that is so: stop the ` +
            "gateway that uses it and try again\n",
        );
      }
      equal((await store.providers.list({})).length, 2);
    } finally {
      await store.close();
    }
    deepEqual(await configsWith(db, OLD), [CONFIG, CONFIG]);
  }));

Deno.test("llmio secret says so of a file that is no database, or one of a newer version", () =>
  onFile(async (db) => {
    sql(db, (database) => database.exec("UPDATE encryption SET version = 2"));
    const newer = await run("status", { db, secret: OLD });
    equal(newer.code, 1);
    match(
      newer.err,
      /is encrypted in a form that this version does not know \(2; it knows 1\): use the version/,
    );
    await Deno.writeTextFile(db, "no database, but a text of some length");
    const strange = await run("status", { db });
    equal(strange.code, 1);
    match(strange.err, /^llmio: .* is not an SQLite database: [^\n]*\n$/);
  }));

Deno.test("llmio secret looks at files that know nothing of encryption yet", () =>
  inFolder(async (folder) => {
    const db = `${folder}/old.db`;
    await openOnce(db);
    sql(db, (database) => database.exec("DROP TABLE encryption"));
    const { code, out } = await run("status", { db });
    deepEqual([code, out.includes("is not encrypted")], [0, true]);
  }));

Deno.test("runProgram() runs the commands of secret with their flags", () =>
  onFile(async (db) => {
    const wrong = await program("secret", "status", "--db", db, "--secret", NEW);
    equal(wrong.code, 1);
    match(wrong.out, /is encrypted/);
    match(wrong.err, /the secret given is not the one/);
    const file = `${db}.secret`;
    await Deno.writeTextFile(file, NEW);
    const rotated = ["secret", "rotate", "--db", db, "--secret", OLD, "--new-secret-file", file];
    equal((await program(...rotated)).code, 0);
    equal((await program("secret", "status", "--db", db, "--secret", NEW)).code, 0);
  }));

Deno.test("runProgram() answers a wrong call of secret with one line and exit code 2", async () => {
  for (
    const args of [["secret"], ["secret", "nwe"], ["secret", "new", "now"], [
      "secret",
      "status",
      "--nonsense",
    ]]
  ) {
    const { code, out, err } = await program(...args);
    deepEqual([code, out], [2, ""]);
    match(err, /^llmio: [^\n]*; see llmio --help\n$/);
    equal(err.includes("outputHelp"), false);
  }
});
