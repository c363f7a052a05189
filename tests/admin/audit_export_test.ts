/** Rules of the audit log for what leaves with an export and comes with an import. @module */
import assert from "node:assert/strict";
import { type Admin, seed, startAdmin, TOKEN } from "./harness.ts";

const PASSPHRASE = "correct horse battery";

interface Entry {
  readonly actor: string;
  readonly action: string;
  readonly resource_id: string;
  readonly changes: Record<string, [unknown, unknown]>;
}

async function entries(admin: Admin, action: string): Promise<Entry[]> {
  return (await admin.call("GET", `/audit?page_size=100&action=${action}`)).data.data;
}

async function exported(admin: Admin, query: string, token = TOKEN): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "x-llmio-passphrase": PASSPHRASE };
  return await admin.raw(`/api/config/export${query}`, { headers });
}

Deno.test("an export with secrets is told with how they left, one without them is a read like any other", async () => {
  await using admin = await startAdmin();
  await seed(admin);
  const { data: token } = await admin.call("POST", "/admin-tokens", { name: "ci", scope: "write" });
  for (const query of ["", "?secrets=none", "?secrets=plain", "?secrets=encrypted"]) {
    const answer = await exported(admin, query, query === "?secrets=plain" ? token.Token : TOKEN);
    assert.equal(answer.status, 200, query);
    assert.equal((await answer.json()).program, "llmio", "the answer is whole");
  }
  const told = (await entries(admin, "config.export")).reverse();
  assert.deepEqual(told.map(({ actor, changes }) => [actor, changes]), [
    ["ci", { secrets: [null, "plain"] }],
    ["admin", { secrets: [null, "encrypted"] }],
  ]);
  const { text } = await admin.call("GET", "/audit?page_size=100");
  assert.ok(!text.includes(PASSPHRASE));
});

Deno.test("an export that is refused leaves no row", async () => {
  await using admin = await startAdmin();
  const { data: token } = await admin.call("POST", "/admin-tokens", { name: "ci", scope: "read" });
  const refused = [
    await exported(admin, "?secrets=plain", token.Token),
    await exported(admin, "?secrets=yes"),
    await admin.raw("/api/config/export?secrets=encrypted", {
      headers: { authorization: `Bearer ${TOKEN}` },
    }),
  ];
  for (const answer of refused) await answer.body?.cancel();
  assert.deepEqual(refused.map(({ status }) => status), [403, 400, 400]);
  assert.deepEqual(await entries(admin, "config.export"), []);
});

Deno.test("an import tells the auth keys that it has made and changed, without what opens them", async () => {
  await using one = await startAdmin();
  await seed(one);
  const { data: key } = await one.call("POST", "/auth-keys", { name: "team-a", allow_all: true });
  const document = await (await exported(one, "?secrets=plain")).json();
  const [{ Hash: hash }] = document.auth_keys;
  assert.match(hash, /^[0-9a-f]{64}$/);
  await using other = await startAdmin();
  assert.equal((await other.call("POST", "/config/import", document)).status, 200);
  const [made] = await entries(other, "config.import");
  const [before, after] = made?.changes["auth_key/1 team-a"] ?? [];
  const { Name, AllowAll, Key } = after as Record<string, unknown>;
  assert.deepEqual([before, Name, AllowAll, Key], [
    null,
    "team-a",
    true,
    `sk-llmio-****${key.Key.slice(-4)}`,
  ]);
  document.auth_keys[0].RequestsPerMinute = 7;
  assert.equal((await other.call("POST", "/config/import?mode=update", document)).status, 200);
  const [changed] = await entries(other, "config.import");
  assert.equal(changed?.resource_id, "auth_key/1");
  assert.deepEqual(changed.changes["auth_key/1 team-a"], [
    { RequestsPerMinute: null },
    { RequestsPerMinute: 7 },
  ]);
  const { text } = await other.call("GET", "/audit?page_size=100");
  for (const secret of [hash, key.Key]) assert.ok(!text.includes(secret));
});

Deno.test("a rotated key is told by its masks, and as changed where they are alike", async () => {
  await using admin = await startAdmin();
  const { data: key } = await admin.call("POST", "/auth-keys", { name: "team-a", allow_all: true });
  await admin.call("POST", "/auth-keys/1/rotate", { overlap_hours: 0 });
  const [entry] = await entries(admin, "auth_key.rotate");
  assert.equal(entry?.changes["Key"]?.[0], `sk-llmio-****${key.Key.slice(-4)}`);
  const { store } = admin;
  const alike = `sk-llmio-****${key.Key.slice(-4)}`;
  const rotate: typeof store.authKeys.rotate = (id, secret) =>
    store.authKeys.rotate(id, { ...secret, mask: alike });
  const twin = await startAdmin({ store: { ...store, authKeys: { ...store.authKeys, rotate } } });
  for (let times = 0; times < 2; times++) {
    await twin.call("POST", "/auth-keys/1/rotate", { overlap_hours: 0 });
  }
  const [last] = await entries(admin, "auth_key.rotate");
  assert.deepEqual(last?.changes, { Key: ["(secret)", "(changed secret)"] });
});
