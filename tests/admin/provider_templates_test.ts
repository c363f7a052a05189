/** Rules of configs that come back from a form with the template's placeholder for a key. @module */
import assert from "node:assert/strict";
import { type Admin, startAdmin } from "./harness.ts";

const VENDOR = "https://api.openai.com/v1";

async function stored(admin: Admin, config: unknown, type = "openai") {
  const made = await admin.call("POST", "/providers", { name: "p", type, config: JSON.stringify(config) });
  assert.equal(made.status, 200, made.text);
  return async (): Promise<unknown> =>
    JSON.parse((await admin.store.providers.get(made.data.ID))?.config ?? "");
}

/** What the web UI's form sends of a config that it can show: the template's members and the stored ones. */
async function formOf(admin: Admin, type: string, config: object): Promise<string> {
  const { data } = await admin.call("GET", "/providers/template");
  const { template } = data.find((each: { type: string }) => each.type === type);
  return JSON.stringify({ ...JSON.parse(template), ...config }, null, 2);
}

for (const type of ["openai", "openai-res", "anthropic", "gemini"]) {
  Deno.test(`a provider of type ${type} without a key stays without one when a form sends the placeholder`, async () => {
    await using admin = await startAdmin();
    const [local, vendor] = ["http://127.0.0.1:11434/v1", await formOf(admin, type, {})];
    for (const base_url of [local, JSON.parse(vendor).base_url]) {
      const config = await stored(admin, { base_url }, type);
      const [{ ID }] = (await admin.call("GET", "/providers")).data;
      const sent = { name: "renamed", type, config: await formOf(admin, type, { base_url }) };
      const { status, text } = await admin.call("PUT", `/providers/${ID}`, sent);
      assert.equal(status, 200, text);
      const { api_key: key, base_url: url } = await config() as Record<string, unknown>;
      assert.deepEqual([key, typeof url], [undefined, "string"]);
      await admin.call("DELETE", `/providers/${ID}`);
    }
  });
}

Deno.test("PUT /api/providers/:id takes the placeholder for a key that is unchanged, and keeps what stands beside it", async () => {
  await using admin = await startAdmin();
  const config = await stored(admin, { base_url: VENDOR, api_key: "sk-kept-1234567890" });
  for (const placeholder of ["YOUR_API_KEY", " YOUR_GEMINI_API_KEY "]) {
    const sent = JSON.stringify({
      api_key: placeholder,
      base_url: "https://other.example/v1",
      note: placeholder,
    });
    assert.equal((await admin.call("PUT", "/providers/1", { config: sent })).status, 200);
    assert.deepEqual(await config(), {
      base_url: "https://other.example/v1",
      note: placeholder,
      api_key: "sk-kept-1234567890",
    });
  }
});

Deno.test("PUT /api/providers/:id refuses the bare template for a config that says something else", async () => {
  await using admin = await startAdmin();
  for (const own of [{ base_url: "http://h/v1" }, { base_url: VENDOR, api_keys: ["sk-a", "sk-b"] }]) {
    const config = await stored(admin, own);
    const [{ ID }] = (await admin.call("GET", "/providers")).data;
    const answer = await admin.call("PUT", `/providers/${ID}`, { config: await formOf(admin, "openai", {}) });
    assert.deepEqual(
      [answer.status, /config is the template/.test(answer.message)],
      [400, true],
      answer.text,
    );
    assert.deepEqual(await config(), own);
    await admin.call("DELETE", `/providers/${ID}`);
  }
});

const UNFILLED: readonly [member: string, config: unknown][] = [
  ["api_key", { base_url: VENDOR, api_key: "YOUR_API_KEY" }],
  ["api_key", { base_url: VENDOR, api_key: "YOUR_GEMINI_API_KEY " }],
  ["api_keys", { base_url: VENDOR, api_keys: ["sk-1", "YOUR_API_KEY"] }],
  ["api_keys", { base_url: VENDOR, api_keys: [{ key: "YOUR_API_KEY", weight: 2 }] }],
];

Deno.test("POST /api/providers and validate refuse the placeholder, and say what to send", async () => {
  await using admin = await startAdmin();
  for (const [member, config] of UNFILLED) {
    const sent = { name: "p", type: "openai", config: JSON.stringify(config) };
    const { status, message } = await admin.call("POST", "/providers", sent);
    assert.equal(status, 400);
    assert.ok(
      message.startsWith(`Invalid request body: config: ${member} holds the template's placeholder; send `),
      message,
    );
    const { data } = await admin.call("POST", "/providers/validate", sent);
    assert.deepEqual([data.valid, data.error_message], [
      false,
      message.replace("Invalid request body: ", ""),
    ]);
  }
  assert.deepEqual(await admin.store.providers.list({}), []);
});

Deno.test("PUT /api/providers/:id refuses the placeholder among several keys", async () => {
  await using admin = await startAdmin();
  const config = await stored(admin, { base_url: VENDOR, api_keys: ["sk-a", "sk-b"] });
  const sent = JSON.stringify({ base_url: VENDOR, api_keys: ["sk-c", "YOUR_API_KEY"] });
  assert.equal((await admin.call("PUT", "/providers/1", { config: sent })).status, 400);
  assert.deepEqual(await config(), { base_url: VENDOR, api_keys: ["sk-a", "sk-b"] });
});

Deno.test("POST /api/providers/validate takes the placeholder for the key of a stored provider", async () => {
  const tried: string[] = [];
  await using admin = await startAdmin({
    listModels: ({ config }) => Promise.resolve(void tried.push(config)).then(() => []),
  });
  await stored(admin, { base_url: VENDOR, api_key: "sk-kept-1234567890" });
  const config = await formOf(admin, "openai", { base_url: "http://other/v1" });
  const { data } = await admin.call("POST", "/providers/validate", { id: 1, config });
  assert.equal(data.valid, true);
  assert.deepEqual(tried.map((each) => JSON.parse(each)), [{
    base_url: "http://other/v1",
    api_key: "sk-kept-1234567890",
  }]);
});

Deno.test("a config that is nested too deep is refused, also with the placeholder in it", async () => {
  await using admin = await startAdmin();
  const config = `{"base_url":"${VENDOR}","api_key":"YOUR_API_KEY","a":${"[".repeat(9_000)}${
    "]".repeat(9_000)
  }}`;
  for (const [method, path] of [["POST", "/providers"], ["PUT", "/providers/1"]] as const) {
    if (method === "PUT") await stored(admin, { base_url: "http://h/v1" });
    const { status, message } = await admin.call(method, path, { name: "q", type: "openai", config });
    assert.deepEqual([status, /config must be a JSON object/.test(message)], [400, true]);
  }
});
