import assert from "node:assert/strict";
import { type Row, TestGateway, TOKEN } from "../integration/test_gateway.ts";
import { UiFolder } from "./ui_folder.ts";

/** What llmio's own web UI sends when a key is made. */
const NEW_KEY = { name: "team-a", status: true, io_log: false, allow_all: true, models: [] };

async function keysShown(
  gateway: TestGateway,
  query = "?page=1&page_size=20",
  credential = TOKEN,
): Promise<string[]> {
  const answer = await fetch(`${gateway.url}/api/auth-keys${query}`, {
    headers: { authorization: `Bearer ${credential}`, "content-type": "application/json" },
  });
  const { code, data } = await answer.json();
  assert.equal(code, 200);
  return data.data.map((row: Row) => row.Key);
}

Deno.test("with a web UI the first list after a key was made shows it, and no other one", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const old = await gateway.admin<Row>("POST", "/auth-keys", { ...NEW_KEY, name: "old" });
  assert.deepEqual(await keysShown(gateway), [old.Key]);
  const made = await gateway.admin<Row>("POST", "/auth-keys", NEW_KEY);
  const [newest, other] = await keysShown(gateway);
  assert.equal(newest, made.Key);
  assert.match(other ?? "", /^sk-llmio-\*+\w{4}$/);
  for (const key of await keysShown(gateway)) assert.match(key, /\*/);
  const row = await gateway.admin<Row>("GET", `/auth-keys/${made.ID}`);
  assert.match(String(row.Key), /\*/);
  const answer = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${newest}` } });
  await answer.body?.cancel();
  assert.equal(answer.status, 200);
});

Deno.test("keys that were made together are shown together, each on the page that lists it", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const first = await gateway.admin<Row>("POST", "/auth-keys", { ...NEW_KEY, name: "first" });
  const second = await gateway.admin<Row>("POST", "/auth-keys", { ...NEW_KEY, name: "second" });
  assert.deepEqual(await keysShown(gateway, "?page=1&page_size=1"), [second.Key]);
  assert.deepEqual(await keysShown(gateway, "?page=2&page_size=1"), [first.Key]);
  for (const key of await keysShown(gateway)) assert.match(key, /\*/);
});

Deno.test("a new key is shown to nobody but who made it", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const reader = await gateway.admin<Row>("POST", "/admin-tokens", { name: "reader", scope: "read" });
  const made = await gateway.admin<Row>("POST", "/auth-keys", NEW_KEY);
  for (const key of await keysShown(gateway, "", String(reader.Token))) assert.match(key, /\*/);
  const refused = await fetch(`${gateway.url}/api/auth-keys`, { headers: { authorization: "Bearer wrong" } });
  assert.equal(refused.status, 401);
  assert.ok(!(await refused.text()).includes(String(made.Key)));
  assert.deepEqual(await keysShown(gateway), [made.Key]);
});

Deno.test("without a web UI every list shows masks", async () => {
  await using gateway = await TestGateway.start();
  await gateway.admin<Row>("POST", "/auth-keys", NEW_KEY);
  for (const key of await keysShown(gateway)) assert.match(key, /\*/);
});

Deno.test("a key that is edited while it is shown keeps working", async () => {
  await using folder = await UiFolder.make();
  await using gateway = await TestGateway.start({ "ui-dir": folder.path });
  const made = await gateway.admin<Row>("POST", "/auth-keys", NEW_KEY);
  const [key] = await keysShown(gateway);
  await gateway.admin<Row>("PUT", `/auth-keys/${made.ID}`, { ...NEW_KEY, name: "renamed", key });
  const answer = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  await answer.body?.cancel();
  assert.equal(answer.status, 200);
});

Deno.test("a provider whose config the UI's form cannot show is not replaced by the form's template", async () => {
  await using gateway = await TestGateway.start();
  const config = JSON.stringify({
    base_url: "https://api.openai.com/v1",
    api_keys: ["sk-first-1234567890", "sk-second-1234567890"],
  });
  const made = await gateway.admin<Row>("POST", "/providers", { name: "pool", type: "openai", config });
  const templates = await gateway.admin<{ type: string; template: string }[]>("GET", "/providers/template");
  for (const { type, template } of templates) {
    const answer = await fetch(`${gateway.url}/api/providers/${made.ID}`, {
      method: "PUT",
      headers: { authorization: `Bearer ${TOKEN}` },
      // As the form prints it: the members of the template, in its order.
      body: JSON.stringify({ name: "pool", type, config: JSON.stringify(JSON.parse(template), null, 2) }),
    });
    const reply = await answer.json();
    assert.equal(answer.status, 400, type);
    assert.match(reply.message, /config is the template/);
  }
  const [row] = await gateway.admin<Row[]>("GET", "/providers");
  assert.equal(row?.Config, made.Config);
});
