import { deepEqual, equal, match, notEqual, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import { isSealed, newDerivation, Vault } from "../../src/access/vault.ts";
import { ACCESS } from "../../src/store/calls.ts";
import { encryptedStore } from "../../src/store/encrypted_store.ts";
import { openText, PLACES, sealText } from "../../src/store/encryption.ts";
import { openStore } from "../../src/store/open.ts";
import { NameTaken, type Store } from "../../src/store/store.ts";
import { association, inFolder, model, provider, sql, withStore } from "./fixtures.ts";

const QUICK = { ...newDerivation(), iterations: 10 };
const vault = await Vault.derive("correct horse battery staple", QUICK);

const CONFIG = '{"base_url":"https://a.example/v1","api_key":"sk-canary-config"}';
const PROXY = "http://u:canary-proxy@p.example:8080";
const HEADERS = { "x-key": "canary-header", "x-team": "漢字" };
const COUNT = '{"base_url":"https://c.example","api_key":"sk-canary-count"}';

interface Two {
  /** What the program sees. */
  readonly store: Store;
  /** What stands in the file. */
  readonly raw: Store;
  readonly warnings: string[];
}

/** Runs a test on both views of one database in memory, with a model to associate with. */
async function withBoth(test: (two: Two) => Promise<void>): Promise<void> {
  await withStore({}, async (raw) => {
    const warnings: string[] = [];
    await raw.models.create(model());
    await test({ store: encryptedStore(raw, vault, (line) => warnings.push(line)), raw, warnings });
  });
}

/** Everything that the database holds of what is to be hidden. */
async function stored(raw: Store): Promise<string> {
  return JSON.stringify([
    await raw.providers.list({}),
    await raw.associations.ofModel(1),
    await raw.configs.list(),
    await raw.routing(),
  ]);
}

Deno.test("providers are sealed by every call that writes them and opened by every call that reads them", () =>
  withBoth(async ({ store, raw }) => {
    const made = await store.providers.create(
      provider({ config: CONFIG, proxy: PROXY, errorMatcher: "oops" }),
    );
    deepEqual([made.config, made.proxy, made.errorMatcher, made.enabled], [CONFIG, PROXY, "oops", true]);
    deepEqual(await store.providers.get(made.id), made);
    deepEqual(await store.providers.list({ name: "ACM" }), [made]);
    deepEqual((await store.routing()).providers, [made]);
    ok(!(await stored(raw)).includes("canary"), await stored(raw));

    const next = { ...provider({ name: "b" }), config: CONFIG.replace("canary", "canary2"), proxy: "" };
    const changed = await store.providers.update(made.id, next);
    deepEqual([changed?.name, changed?.config, changed?.proxy], ["b", next.config, ""]);
    deepEqual((await store.providers.setEnabled(made.id, false))?.config, next.config);
    const row = await raw.providers.get(made.id);
    // What holds nothing needs no hiding.
    deepEqual([isSealed(row?.config ?? ""), row?.proxy, row?.name], [true, "", "b"]);

    equal(await store.providers.get(99), null);
    equal(await store.providers.update(99, next), null);
    equal(await store.providers.setEnabled(99, true), null);
    await rejects(store.providers.create(next), NameTaken);
    deepEqual(await store.providers.remove([made.id]), [made.id]);
    deepEqual(await store.providers.list({}), []);
  }));

Deno.test("headers of associations are sealed by every call that writes them and opened by every other", () =>
  withBoth(async ({ store, raw }) => {
    await store.providers.create(provider());
    const ends = { modelId: 1, providerId: 1 };
    const made = await store.associations.create(association({ ...ends, customerHeaders: HEADERS }));
    deepEqual([made.customerHeaders, made.extraBody, made.weight], [HEADERS, { service_tier: "flex" }, 5]);
    deepEqual(await store.associations.get(made.id), made);
    deepEqual(await store.associations.ofModel(1), [made]);
    deepEqual((await store.routing()).associations, [made]);
    ok(!(await stored(raw)).includes("canary"), await stored(raw));
    deepEqual(Object.keys((await raw.associations.get(made.id))?.customerHeaders ?? {}), ["enc:v1"]);

    const other = { "x-key": "canary-2" };
    deepEqual((await store.associations.update(made.id, { customerHeaders: other }))?.customerHeaders, other);
    const sealed = (await raw.associations.get(made.id))?.customerHeaders;
    deepEqual((await store.associations.update(made.id, { weight: 7 }))?.customerHeaders, other);
    deepEqual((await raw.associations.get(made.id))?.customerHeaders, sealed);
    deepEqual((await store.associations.setEnabled(made.id, false))?.customerHeaders, other);
    deepEqual((await store.associations.update(made.id, { customerHeaders: {} }))?.customerHeaders, {});
    deepEqual((await raw.associations.get(made.id))?.customerHeaders, {});
    equal(await store.associations.update(99, { customerHeaders: other }), null);
    equal(await store.associations.remove(made.id), true);
  }));

Deno.test("the token counter's setting is sealed and opened, other settings are left alone", () =>
  withBoth(async ({ store, raw }) => {
    const key = "anthropic_count_tokens";
    deepEqual(await store.configs.set(key, COUNT), { key, value: COUNT });
    deepEqual(await store.configs.get(key), { key, value: COUNT });
    equal((await store.routing()).countTokens, COUNT);
    equal((await store.configs.list()).find((config) => config.key === key)?.value, COUNT);
    equal(isSealed((await raw.configs.get(key))?.value ?? ""), true);
    await store.configs.set("other", "plain");
    equal((await raw.configs.get("other"))?.value, "plain");
    equal((await store.configs.get("other"))?.value, "plain");
    equal(await store.configs.get("missing"), null);
    await store.configs.set(key, "");
    equal((await raw.configs.get(key))?.value, "");
  }));

Deno.test("a batch is sealed as a whole", () =>
  withBoth(async ({ store, raw }) => {
    await store.providers.create(provider({ name: "old", config: "{}" }));
    const { modelId: _model, providerId: _provider, ...fields } = association({
      modelId: 1,
      providerId: 1,
      customerHeaders: HEADERS,
    });
    await store.apply({
      providers: [
        { id: 1, fields: provider({ name: "old", config: CONFIG }), enabled: true },
        { id: null, fields: provider({ name: "new", config: CONFIG, proxy: PROXY }), enabled: false },
      ],
      models: [],
      associations: [{ id: null, model: { id: 1 }, provider: { write: 1 }, fields, enabled: true }],
      authKeys: [],
      configs: [{ key: "anthropic_count_tokens", value: COUNT }, { key: "other", value: "plain" }],
      healthConfig: null,
    });
    ok(!(await stored(raw)).includes("canary"), await stored(raw));
    const rows = await store.routing();
    deepEqual(rows.providers.map(({ name, config, proxy }) => [name, config, proxy]), [
      ["new", CONFIG, PROXY],
      ["old", CONFIG, ""],
    ]);
    deepEqual(rows.associations.map((row) => [row.providerId, row.customerHeaders]), [[2, HEADERS]]);
    deepEqual([rows.countTokens, (await raw.configs.get("other"))?.value], [COUNT, "plain"]);
  }));

Deno.test("every call that carries credentials is one that the encrypted store knows", () =>
  withBoth(({ store, raw }) => {
    // A new call in one of these groups is to be sealed and opened, or added here because it carries none.
    const without = ["providers.remove", "associations.remove", "whole.ping"];
    for (const group of ["providers", "associations", "configs", "whole"] as const) {
      for (const call of Object.keys(ACCESS[group])) {
        const [wrapped, plain] = [store, raw].map((one) =>
          (group === "whole" ? one : one[group] as unknown as Record<string, unknown>)[call as never]
        );
        equal(typeof wrapped, "function");
        equal(wrapped === plain, without.includes(`${group}.${call}`), `${group}.${call}`);
      }
    }
    equal(store.logs, raw.logs);
    return Promise.resolve();
  }));

Deno.test("any text comes back as it was written, one that looks sealed included", () =>
  withBoth(async ({ store }) => {
    await store.providers.create(provider());
    const text = fc.string({ unit: "binary", maxLength: 100 }).filter((value) => !value.includes("\0"));
    const sealedLike = fc.oneof(text, text.map((end) => `enc:v1:${end}`));
    await fc.assert(
      fc.asyncProperty(sealedLike, sealedLike, async (config, proxy) => {
        const row = await store.providers.update(1, provider({ config, proxy }));
        deepEqual([row?.config, row?.proxy], [config, proxy]);
        await store.configs.set("anthropic_count_tokens", config);
        equal((await store.configs.get("anthropic_count_tokens"))?.value, config);
      }),
      { numRuns: 50 },
    );
    const sealed = await vault.seal(CONFIG, PLACES.config.context);
    equal((await store.providers.update(1, provider({ config: sealed })))?.config, sealed);
  }));

Deno.test("headers that look sealed come back as they were written", () =>
  withBoth(async ({ store }) => {
    await store.providers.create(provider());
    const odd = { "enc:v1": await vault.seal("{}", PLACES.headers.context) };
    const made = await store.associations.create(
      association({ modelId: 1, providerId: 1, customerHeaders: odd }),
    );
    deepEqual(made.customerHeaders, odd);
    deepEqual((await store.routing()).associations[0]?.customerHeaders, odd);
  }));

Deno.test("plain rows of another program are read as they are, and sealed when they are written", () =>
  withBoth(async ({ store, raw, warnings }) => {
    await raw.providers.create(provider({ config: CONFIG, proxy: PROXY }));
    await raw.associations.create(association({ modelId: 1, providerId: 1, customerHeaders: HEADERS }));
    await raw.configs.set("anthropic_count_tokens", COUNT);
    const rows = await store.routing();
    deepEqual([rows.providers[0]?.config, rows.providers[0]?.proxy], [CONFIG, PROXY]);
    deepEqual([rows.associations[0]?.customerHeaders, rows.countTokens], [HEADERS, COUNT]);
    deepEqual(warnings, []);
    await store.providers.update(1, provider({ config: CONFIG, proxy: PROXY }));
    await store.associations.update(1, { customerHeaders: HEADERS });
    await store.configs.set("anthropic_count_tokens", COUNT);
    ok(!(await stored(raw)).includes("canary"), await stored(raw));
  }));

Deno.test("a row that does not open is named and left out of routing, and the others work", () =>
  withBoth(async ({ store, raw, warnings }) => {
    for (const name of ["good", "bad config", "bad proxy"]) {
      await store.providers.create(provider({ name, config: CONFIG, proxy: PROXY }));
    }
    const [strange = ""] = [await vault.seal(CONFIG, "another.column")];
    await raw.providers.update(2, provider({ name: "bad config", config: strange, proxy: "" }));
    await raw.providers.update(3, provider({ name: "bad proxy", config: "{}", proxy: strange }));
    const headers = { "enc:v1": strange };
    await store.associations.create(association({ modelId: 1, providerId: 1 }));
    await raw.associations.create(association({ modelId: 1, providerId: 1, customerHeaders: headers }));
    await raw.configs.set("anthropic_count_tokens", strange);

    const rows = await store.routing();
    deepEqual(rows.providers.map(({ id, config, proxy }) => [id, config, proxy]), [
      [3, "", ""],
      [2, "", ""],
      [1, CONFIG, PROXY],
    ]);
    deepEqual(rows.associations.map(({ id }) => id), [1]);
    equal(rows.countTokens, "");
    deepEqual(warnings.sort(), [
      "association 2 (gpt-4o-2024-08-06) is left out of routing: its headers in the database cannot be decrypted; enter it again",
      'provider "bad config" (id 2) is left out of routing: its config in the database cannot be decrypted; enter it again',
      'provider "bad proxy" (id 3) is left out of routing: its proxy in the database cannot be decrypted; enter it again',
      "the setting anthropic_count_tokens is left out of routing: its value in the database cannot be decrypted; enter it again",
    ]);
    // Lists go on, and show what is stored.
    deepEqual((await store.providers.list({})).map(({ config }) => config === CONFIG), [false, false, true]);
    equal((await store.providers.get(2))?.config, strange);
    deepEqual((await store.associations.get(2))?.customerHeaders, headers);
    equal((await store.configs.get("anthropic_count_tokens"))?.value, strange);
  }));

Deno.test("what does not open stays as it is when it is written back, and is replaced by what is entered", () =>
  withBoth(async ({ store, raw, warnings }) => {
    const other = await Vault.derive("another secret of before", QUICK);
    const old = await sealText(other, PLACES.config, CONFIG);
    const oldHeaders = JSON.parse(await sealText(other, PLACES.headers, JSON.stringify(HEADERS)));
    await raw.providers.create(provider({ config: old }));
    await raw.associations.create(association({ modelId: 1, providerId: 1, customerHeaders: oldHeaders }));
    await store.providers.update(1, provider({ name: "renamed", config: old }));
    await store.associations.update(1, { customerHeaders: oldHeaders, weight: 1 });
    equal(await openText(other, PLACES.config, (await raw.providers.get(1))?.config ?? ""), CONFIG);
    deepEqual((await raw.associations.get(1))?.customerHeaders, oldHeaders);

    await store.providers.update(1, provider({ config: CONFIG }));
    await store.associations.update(1, { customerHeaders: HEADERS });
    const rows = await store.routing();
    deepEqual([rows.providers[0]?.config, rows.associations[0]?.customerHeaders], [CONFIG, HEADERS]);
    deepEqual(warnings, []);
  }));

Deno.test("a value cannot be moved to another column", async () => {
  for (const from of Object.values(PLACES)) {
    const sealed = await vault.seal("{}", from.context);
    for (const to of Object.values(PLACES)) {
      const opened = await openText(vault, to, to.stored(sealed));
      equal(opened, from === to ? "{}" : null);
    }
  }
});

Deno.test("the column of headers stays a JSON object for those who read the file with other programs", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const raw = await openStore({ path });
    const store = encryptedStore(raw, vault, () => {});
    await store.models.create(model());
    await store.providers.create(provider());
    await store.associations.create(association({ modelId: 1, providerId: 1, customerHeaders: HEADERS }));
    await store.close();
    const text = sql(path, (database) =>
      String(
        database.prepare("SELECT customer_headers AS text FROM model_with_providers").get()?.["text"],
      ));
    match(text, /^\{"enc:v1":"enc:v1:[\w-]+"\}$/);
    notEqual(await openText(vault, PLACES.headers, text), null);
  }));
