/** Credentials at rest, as a whole gateway keeps them. @module */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { newSecret } from "../../src/access/vault.ts";
import { serve, type ServeProcess } from "../../src/cli/serve.ts";
import { startServer } from "../../src/server.ts";
import { encryptionStatus } from "../../src/store/encryption_commands.ts";
import { openEncryptedStore } from "../../src/store/encryption_open.ts";
import { StoreOpenError } from "../../src/store/errors.ts";
import { association, dump, filesIn, inFolder, model, provider, sql, withStore } from "../store/fixtures.ts";
import { okChat } from "../upstream/fixtures.ts";
import { ScriptedUpstream } from "../upstream/scripted_upstream.ts";
import { type Row, TestGateway } from "./test_gateway.ts";

const SECRET = "the secret of the integration tests";
const OTHER = "another secret, for the rotation";
const KEY = "sk-canary-key-0123456789";
const HEADER = "canary-header-0123456789";
const PROXY = "canary-proxy-0123456789";
const COUNT = "sk-canary-count-0123456789";
const ROOT = new URL("../../", import.meta.url);

/** Every file of the database that holds one of these texts. */
async function filesWith(folder: string, ...texts: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of filesIn(folder)) {
    const bytes = new TextDecoder("latin1").decode(await Deno.readFile(`${folder}/${name}`));
    if (texts.some((text) => bytes.includes(text))) found.push(name);
  }
  return found;
}

/** Sets a gateway up with a canary in every place, the deleted ones included. Answers the id of a model `m`. */
async function configure(gateway: TestGateway, upstream: string): Promise<void> {
  await gateway.serveModel({
    providers: [{
      url: `${upstream}/v1`,
      key: KEY,
      association: { customer_headers: { "x-canary-token": HEADER } },
    }],
  });
  const spare = await gateway.admin<Row>("POST", "/providers", {
    name: "spare",
    type: "openai",
    config: JSON.stringify({ base_url: `${upstream}/v1`, api_key: `${KEY}-spare` }),
    proxy: `http://user:${PROXY}@127.0.0.1:9099`,
  });
  const gone = await gateway.admin<Row>("POST", "/providers", {
    name: "gone",
    type: "openai",
    config: JSON.stringify({ base_url: `${upstream}/v1`, api_key: `${KEY}-gone` }),
  });
  await gateway.admin("DELETE", `/providers/${gone.ID}`);
  // What an update replaces stays in the file's free pages, until it is rewritten.
  for (const [end, size] of [["replaced", 40_000], ["latest", 0]] as const) {
    const config = { base_url: `${upstream}/v1`, note: "x".repeat(size), api_key: `${KEY}-${end}` };
    await gateway.admin("PUT", `/providers/${spare.ID}`, { config: JSON.stringify(config) });
  }
  await gateway.admin("PUT", "/config/anthropic_count_tokens", {
    value: JSON.stringify({ base_url: upstream, api_key: COUNT }),
  });
}

/** One request of a client, which has to reach the provider with its credentials. */
async function expectTraffic(gateway: TestGateway, upstream: ScriptedUpstream): Promise<void> {
  const response = await gateway.chat({});
  equal(response.status, 200, await response.text());
  const sent = upstream.requests.filter((request) => request.header("x-canary-token") !== undefined).at(-1);
  deepEqual([sent?.header("authorization"), sent?.header("x-canary-token")], [`Bearer ${KEY}`, HEADER]);
}

const CANARIES = [KEY, HEADER, PROXY, COUNT];

Deno.test("a plain file is encrypted at the first start with a secret, and nothing plain is left in any byte of it", () =>
  inFolder(async (folder) => {
    const db = `${folder}/llmio.db`;
    await using upstream = await ScriptedUpstream.start(okChat());
    {
      await using gateway = await TestGateway.start({ db });
      await configure(gateway, upstream.url);
      await expectTraffic(gateway, upstream);
      await gateway.logs(1);
    }
    deepEqual(await filesWith(folder, KEY), ["llmio.db"]);
    const before = dump(db);
    equal(before["providers"]?.some((row) => String(Object(row)["config"]).includes("-replaced")), false);
    deepEqual(await filesWith(folder, `${KEY}-replaced`), ["llmio.db"]);
    {
      await using gateway = await TestGateway.start({ db, secret: SECRET });
      await expectTraffic(gateway, upstream);
      deepEqual(await filesWith(folder, ...CANARIES), []);
      const shown = await gateway.admin<Row[]>("GET", "/providers");
      deepEqual(shown.map((row) => row["Name"]).sort(), ["provider-1", "spare"]);
      match(
        String(shown.find((row) => row["Name"] === "spare")?.["Proxy"]),
        /^http:\/\/user:[^@]+@127\.0\.0\.1:9099/,
      );
      // What is written from now on never stands in the file in plain.
      await gateway.serveModel({
        name: "second",
        providers: [{ name: "second", url: `${upstream.url}/v1`, key: `${KEY}-second` }],
      });
      await gateway.logs(2);
      deepEqual(await filesWith(folder, ...CANARIES), []);
    }
    deepEqual(filesIn(folder), ["llmio.db"]);
    deepEqual(await filesWith(folder, ...CANARIES), []);
    {
      await using gateway = await TestGateway.start({ db, secret: SECRET });
      await expectTraffic(gateway, upstream);
      equal(
        (await gateway.chat({ model: "second" }).then((response) => response.text())).includes("Hello"),
        true,
      );
    }
    // Nothing else has changed.
    const after = dump(db);
    for (const table of ["models", "model_with_providers", "chat_logs"]) {
      ok(
        (before[table]?.length ?? 0) > 0 && (after[table]?.length ?? 0) > (before[table]?.length ?? 0),
        table,
      );
    }
  }));

Deno.test("an encrypted file is refused without its secret in one line, with exit code 1, and stays as it is", () =>
  inFolder(async (folder) => {
    const db = `${folder}/llmio.db`;
    await using upstream = await ScriptedUpstream.start(okChat());
    {
      await using gateway = await TestGateway.start({ db, secret: SECRET });
      await configure(gateway, upstream.url);
    }
    const before = dump(db);
    const start = async (flags: Record<string, string>) => {
      let err = "";
      const terminal = { out: () => {}, err: (text: string) => err += text };
      const process: ServeProcess = {
        env: { LOG_LEVEL: "error", ...flags },
        start: startServer,
        dropPermissions: () => Promise.resolve(),
        onStopSignal: () => () => {},
        exit: () => {},
      };
      const code = await serve({ db, port: "0", host: "127.0.0.1" }, terminal, process);
      return { code, err };
    };
    deepEqual(await start({}), {
      code: 1,
      err:
        `llmio: ${db} is encrypted and no secret is given: set LLMIO_SECRET or LLMIO_SECRET_FILE to the secret that ` +
        "it was encrypted with\n",
    });
    deepEqual(await start({ LLMIO_SECRET: OTHER }), {
      code: 1,
      err: `llmio: the secret given is not the one that ${db} is encrypted with: set LLMIO_SECRET or ` +
        "LLMIO_SECRET_FILE to that one\n",
    });
    deepEqual(dump(db), before);
  }));

Deno.test("a database in memory takes a secret and needs none", async () => {
  await using upstream = await ScriptedUpstream.start(okChat());
  await using gateway = await TestGateway.start({ secret: SECRET });
  await configure(gateway, upstream.url);
  await expectTraffic(gateway, upstream);
});

Deno.test("after a rotation the gateway serves with the new secret, after a removal with none", () =>
  inFolder(async (folder) => {
    const db = `${folder}/llmio.db`;
    await using upstream = await ScriptedUpstream.start(okChat());
    {
      await using gateway = await TestGateway.start({ db, secret: SECRET });
      await configure(gateway, upstream.url);
      // A running gateway has the old key in memory: nothing is changed under it.
      const refused = await secretCommand("rotate", db, { LLMIO_SECRET: SECRET, LLMIO_NEW_SECRET: OTHER });
      equal(refused.code, 1);
      match(refused.err, /is open in another program/);
      await expectTraffic(gateway, upstream);
    }
    const rotated = await secretCommand("rotate", db, { LLMIO_SECRET: SECRET, LLMIO_NEW_SECRET: OTHER });
    deepEqual([rotated.code, rotated.err], [0, ""]);
    await rejects(TestGateway.start({ db, secret: SECRET }), StoreOpenError);
    {
      await using gateway = await TestGateway.start({ db, secret: OTHER });
      await expectTraffic(gateway, upstream);
    }
    deepEqual(await filesWith(folder, ...CANARIES), []);
    equal((await secretCommand("remove", db, { LLMIO_SECRET: OTHER })).code, 0);
    {
      await using gateway = await TestGateway.start({ db });
      await expectTraffic(gateway, upstream);
    }
  }));

Deno.test("a rotation that is killed leaves a file that opens with the old secret or with the new one", () =>
  inFolder(async (folder) => {
    const db = `${folder}/llmio.db`;
    const count = 400;
    await withStore({ path: db }, async (store) => {
      const fields = { modelId: 1, customerHeaders: { "x-canary-token": HEADER } };
      await store.models.create(model());
      for (let n = 1; n <= count; n++) {
        const config = JSON.stringify({
          base_url: "http://127.0.0.1:1",
          api_key: KEY,
          note: "x".repeat(3000),
        });
        const { id } = await store.providers.create(provider({ name: `p${n}`, config }));
        await store.associations.create(association({ ...fields, providerId: id }));
      }
    });
    let [secret, next] = [newSecret(), newSecret()];
    await (await openEncryptedStore({ path: db, secret, warn: () => {} })).close();
    let kills = 0;
    for (let round = 0; round < 6; round++) {
      const child = spawnSecret("rotate", db, { LLMIO_SECRET: secret, LLMIO_NEW_SECRET: next });
      // Most of the time goes into starting and into deriving keys; half of the kills wait for what comes after that.
      if (round % 2 === 0) await untilChange(folder, child.status);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * (round % 2 === 0 ? 60 : 800)));
      try {
        child.kill("SIGKILL");
      } catch {
        // It was faster.
      }
      if ((await child.output()).signal === "SIGKILL") kills += 1;
      const found = [await encryptionStatus(db, secret), await encryptionStatus(db, next)];
      deepEqual(found.map(({ fits }) => fits).sort(), [false, true]);
      for (const { sealed, plain, damaged } of found) {
        deepEqual([sealed, plain, damaged], [2 * count, 0, []]);
      }
      if (found[1]?.fits) [secret, next] = [next, newSecret()];
    }
    ok(kills > 0, "every rotation had ended before it was killed");
    const store = await openEncryptedStore({ path: db, secret, warn: () => {} });
    const rows = await store.routing();
    await store.close();
    equal(rows.providers.filter(({ config }) => config.includes(KEY)).length, count);
    equal(
      rows.associations.filter(({ customerHeaders }) => customerHeaders?.["x-canary-token"] === HEADER)
        .length,
      count,
    );
    deepEqual(filesIn(folder), ["llmio.db"]);
  }));

Deno.test("a provider whose row was damaged is left out, and the gateway serves with the others", () =>
  inFolder(async (folder) => {
    const db = `${folder}/llmio.db`;
    await using upstream = await ScriptedUpstream.start(okChat());
    {
      await using gateway = await TestGateway.start({ db, secret: SECRET });
      await configure(gateway, upstream.url);
      await gateway.serveModel({
        name: "broken",
        providers: [{ name: "broken", url: `${upstream.url}/v1` }],
      });
    }
    sql(db, (database) => {
      database.exec(
        "UPDATE providers SET config = replace(config, substr(config, 40, 4), 'AAAA') WHERE name = 'broken'",
      );
    });
    await using gateway = await TestGateway.start({ db, secret: SECRET });
    await expectTraffic(gateway, upstream);
    const response = await gateway.chat({ model: "broken" });
    equal(response.status, 503, await response.text());
    // It is mended like any provider: by entering its config again.
    const broken = (await gateway.admin<Row[]>("GET", "/providers")).find((row) => row["Name"] === "broken");
    const config = JSON.stringify({ base_url: `${upstream.url}/v1`, api_key: KEY });
    await gateway.admin("PUT", `/providers/${broken?.ID}`, { config });
    const mended = await gateway.chat({ model: "broken" });
    equal(mended.status, 200, await mended.text());
  }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function secretCommand(command: string, db: string, env: Record<string, string>): Promise<Ended> {
  const { code, stdout, stderr } = await spawnSecret(command, db, env).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** `llmio secret` in a process of its own. */
function spawnSecret(command: string, db: string, env: Record<string, string>): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "main.ts",
      "secret",
      command,
      "--db",
      db,
    ],
    cwd: ROOT,
    env: { LLMIO_SECRET_FILE: "", LLMIO_DB: "", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Waits until something happens in the folder, or the process has ended. */
async function untilChange(folder: string, ended: Promise<unknown>): Promise<void> {
  const watcher = Deno.watchFs(folder);
  const close = () => {
    try {
      watcher.close();
    } catch {
      // It is closed.
    }
  };
  void ended.then(close);
  for await (const { kind } of watcher) if (kind === "create" || kind === "modify") break;
  close();
}
