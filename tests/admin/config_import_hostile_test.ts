/** Rules of importing documents that nobody has exported: they are refused or passed over, and break nothing. @module */
import assert from "node:assert/strict";
import { sealText } from "../../src/access/sealed_text.ts";
import { type Admin, startAdmin, TOKEN } from "./harness.ts";

const PASSPHRASE = "correct horse battery";
/** What no text can be made of. */
const NO_TEXT = { toString: 1 };
const HASH = "ab".repeat(32);

function imported(admin: Admin, document: unknown, query = "") {
  return admin.send(`/api/config/import${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, "x-llmio-passphrase": PASSPHRASE },
    body: JSON.stringify(document),
  });
}

function provider(more: Record<string, unknown> = {}) {
  return { ID: 1, Name: "p", Type: "openai", Config: '{"base_url":"https://h/v1"}', ...more };
}

function authKey(more: Record<string, unknown> = {}) {
  return { ID: 1, Name: "k", AllowAll: true, Hash: HASH, Key: "sk-llmio-****", ...more };
}

Deno.test("members that are no texts count as missing", async () => {
  await using admin = await startAdmin();
  const { status, data, text } = await imported(admin, {
    providers: [provider({ ID: NO_TEXT })],
    model_providers: [{ ID: NO_TEXT, ModelID: NO_TEXT, ProviderID: NO_TEXT, ProviderModel: NO_TEXT }],
    auth_keys: [authKey({ Key: NO_TEXT }), authKey({ Name: "other", Hash: NO_TEXT })],
  });
  assert.equal(status, 200, text);
  assert.deepEqual([data.providers.created, data.associations.skipped], [1, 1]);
  assert.deepEqual(data.auth_keys, { created: 1, updated: 0, skipped: 1 });
  const again = await imported(
    admin,
    { models: [], auth_keys: [authKey({ Hash: NO_TEXT })] },
    "?mode=update",
  );
  assert.deepEqual(again.data?.auth_keys, { created: 0, updated: 1, skipped: 0 }, again.text);
});

Deno.test("an association without ends is tied to no row that has no id", async () => {
  await using admin = await startAdmin();
  const { data } = await imported(admin, {
    providers: [provider({ ID: undefined })],
    models: [{ Name: "m" }],
    model_providers: [{ ProviderModel: "up" }],
  });
  assert.deepEqual([data.imported_count, data.associations], [2, { created: 0, updated: 0, skipped: 1 }]);
});

Deno.test("one key comes under one name only, however often a document or the gateway has it", async () => {
  await using admin = await startAdmin();
  const document = { models: [], auth_keys: [authKey(), authKey({ Name: "twin" })] };
  const first = await imported(admin, document);
  assert.deepEqual(first.data.auth_keys, { created: 1, updated: 0, skipped: 1 });
  assert.match(
    first.data.notes.join(),
    /auth key twin was skipped: the same key is there under another name/,
  );
  const renamed = await imported(admin, { models: [], auth_keys: [authKey({ Name: "renamed" })] });
  assert.equal(renamed.data.auth_keys.skipped, 1);
  const { data: made } = await admin.call("POST", "/auth-keys", { name: "own", allow_all: true });
  const own = await admin.store.authKeys.list().then((keys) => keys.find(({ id }) => id === made.ID));
  const copied = await imported(admin, {
    models: [],
    auth_keys: [authKey({ Name: "copy", Hash: own?.hash })],
  });
  assert.equal(copied.data.auth_keys.skipped, 1);
});

const REFUSED: readonly [what: string, document: Record<string, unknown>, message: RegExp][] = [
  [
    "a config that is nested deeper than any stack",
    { Config: `{"base_url":"https://h/v1","a":${"[".repeat(40_000)}"****"${"]".repeat(40_000)}}` },
    /config must be a JSON object/,
  ],
  [
    "a config that is too long",
    { Config: `{"base_url":"https://h/v1","x":${JSON.stringify("****".repeat(30_000))}}` },
    /config must not be longer than 100000/,
  ],
];

for (const [what, row, message] of REFUSED) {
  Deno.test(`POST /api/config/import refuses ${what}`, async () => {
    await using admin = await startAdmin();
    const answer = await imported(admin, { providers: [provider(row)] });
    assert.deepEqual([answer.status, message.test(answer.message)], [400, true], answer.text);
    assert.deepEqual(await admin.store.providers.list({}), []);
  });
}

Deno.test("POST /api/config/import refuses settings that could not be stored as they are", async () => {
  await using admin = await startAdmin();
  for (const value of ["a\0b", "a\ud800", "z".repeat(100_001)]) {
    const answer = await imported(admin, { models: [], configs: [{ key: "x", value }] });
    assert.deepEqual([answer.status, /configs\[0\] \(x\): value must/.test(answer.message)], [400, true]);
  }
  const { data } = await imported(admin, { models: [], configs: [{ key: "x", value: "" }] });
  assert.equal(data.settings.created, 1);
});

Deno.test("sealed secrets that are none are refused, whoever knows the passphrase", async () => {
  await using admin = await startAdmin();
  const parts = { providers: {}, model_providers: {}, configs: {}, auth_keys: {} };
  const texts = ["", "null", "{}", JSON.stringify({ ...parts, providers: { 1: { Config: 5 } } })];
  for (const text of texts) {
    const document = { providers: [provider()], sealed_secrets: await sealText(text, PASSPHRASE) };
    const { status, message } = await imported(admin, document);
    assert.deepEqual([status, /not in a form that is known/.test(message)], [422, true], text);
  }
  // What every object has is no secret of a row.
  const document = {
    providers: [provider({ ID: "constructor" })],
    configs: [{ key: "constructor", value: '{"api_key":"****"}' }],
    sealed_secrets: await sealText(JSON.stringify(parts), PASSPHRASE),
  };
  const { status, data, text } = await imported(admin, document);
  assert.deepEqual([status, data?.providers.created, data?.settings.created], [200, 1, 1], text);
});
