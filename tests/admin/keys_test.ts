/** Rules of `/api/providers/:id/keys`. @module */
import assert from "node:assert/strict";
import { keyId } from "../../src/protocols/provider_config.ts";
import { PROVIDER } from "./harness.ts";
import { type LiveAdmin, NOW, startLive } from "./live_harness.ts";

const ONE = "sk-canary-one-QKZVBWXJ1111";
const TWO = "sk-canary-two-HGTRPLMN2222";
const THREE = "sk-canary-three-YUDCSE3333";

/** A provider with this config, and an association with it; both have id 1. */
async function provide(admin: LiveAdmin, config: Record<string, unknown>): Promise<void> {
  const text = JSON.stringify({ base_url: "https://llm.example/v1", ...config });
  const provider = await admin.call("POST", "/providers", { ...PROVIDER, config: text });
  assert.equal(provider.status, 200, provider.text);
  await admin.call("POST", "/models", { name: "m" });
  await admin.call("POST", "/model-providers", { model_id: 1, provider_id: 1, provider_name: "pm" });
}

async function storedConfig(admin: LiveAdmin): Promise<string> {
  return (await admin.store.providers.get(1))?.config ?? "";
}

/** The secrets in the order of the pool, as requests use them. */
function pool(admin: LiveAdmin): string[] {
  const [route] = admin.table().model("m")?.routes ?? [];
  return route?.keys.map(({ id }) => admin.table().target(1)?.secretOf(id) ?? "") ?? [];
}

Deno.test("GET keys shows the pool in its order, masked, with names, weights and states", async () => {
  await using admin = await startLive();
  await provide(admin, { api_key: ONE, api_keys: [TWO, { key: THREE, name: "third", weight: 0 }] });
  admin.attempt(1, 1, null);
  const { status, data } = await admin.call("GET", "/providers/1/keys");
  assert.equal(status, 200);
  const fresh = {
    enabled: true,
    status: "usable",
    cooling_until: null,
    bad_until: null,
    error_count: 0,
    last_error: null,
    last_used_at: null,
    use_count: 0,
  };
  assert.deepEqual(data, [
    { id: keyId(ONE), name: "", mask: "****1111", weight: 1, ...fresh },
    {
      id: keyId(TWO),
      name: "",
      mask: "****2222",
      weight: 1,
      ...fresh,
      last_used_at: "2026-05-20T12:00:00.000Z",
      use_count: 1,
    },
    { id: keyId(THREE), name: "third", mask: "****3333", weight: 0, ...fresh },
  ]);
});

Deno.test("GET keys shows bad, cooling and trial keys with what is still to come of their pauses", async () => {
  let now = NOW;
  await using admin = await startLive(() => now);
  await provide(admin, { api_keys: [ONE, TWO] });
  admin.attempt(1, 0, "credential", `Incorrect API key provided: ${ONE}`);
  admin.attempt(1, 1, "rate_limit", "slow down");
  const states = async () =>
    (await admin.call("GET", "/providers/1/keys")).data.map((key: Record<string, unknown>) => [
      key.status,
      key.cooling_until,
      key.bad_until,
      key.error_count,
      key.last_error,
    ]);
  const refused = "Incorrect API key provided: ****";
  assert.deepEqual(await states(), [
    ["bad", null, "2026-05-20T13:00:00.000Z", 1, refused],
    ["cooling", "2026-05-20T12:00:15.000Z", null, 1, "slow down"],
  ]);
  now += 60 * 60_000;
  assert.deepEqual(await states(), [
    ["trial", null, null, 1, refused],
    ["trial", null, null, 1, "slow down"],
  ]);
});

Deno.test("POST keys adds a key, which is in force at once, and keeps the single key that was there", async () => {
  await using admin = await startLive();
  await provide(admin, { api_key: ONE, "2": 1, "1": 2 });
  const before = await storedConfig(admin);
  const { status, data } = await admin.call("POST", "/providers/1/keys", {
    key: ` ${TWO} `,
    name: "second",
    weight: 3,
  });
  assert.equal(status, 200);
  assert.deepEqual([data.id, data.name, data.mask, data.weight, data.status], [
    keyId(TWO),
    "second",
    "****2222",
    3,
    "usable",
  ]);
  assert.deepEqual(pool(admin), [ONE, TWO]);
  assert.equal(
    await storedConfig(admin),
    `${before.slice(0, -1)},"api_keys":[{"key":"${TWO}","name":"second","weight":3}]}`,
  );
});

Deno.test("POST keys refuses a key that is there, a name that is taken, masks and what no header can carry", async () => {
  await using admin = await startLive();
  await provide(admin, { api_key: ONE, api_keys: [{ key: TWO, name: "main" }] });
  const before = await storedConfig(admin);
  for (
    const [body, status, message] of [
      [{ key: ONE }, 409, /Key already exists/],
      [{ key: THREE, name: "main" }, 409, /name/],
      [{ key: "****1111" }, 400, /key is a mask; send the key itself/],
      [{ key: "" }, 400, /key must not be empty/],
      [{ key: "sk-ключ" }, 400, /key must not contain .* header/],
      [{ key: "a\r\nb: c" }, 400, /key must not contain/],
      [{ key: THREE, weight: -1 }, 400, /weight must be a whole number from 0/],
      [{ key: THREE, name: "a\nb" }, 400, /name must be one line/],
      [{ name: "x" }, 400, /key is required/],
      [{ key: THREE, secret: 1 }, 400, /unknown field "secret"/],
      [{ key: THREE, wieght: 1 }, 400, /did you mean "weight"/],
    ] as const
  ) {
    const answer = await admin.call("POST", "/providers/1/keys", body);
    assert.deepEqual([answer.status, answer.code], [status, status], JSON.stringify(body));
    assert.match(answer.message, message);
  }
  assert.equal(await storedConfig(admin), before);
});

Deno.test("PATCH keys renames and reweighs a key, by id or by name, also one that stands alone in api_key", async () => {
  await using admin = await startLive();
  await provide(admin, { api_key: ONE });
  admin.attempt(1, 0, "rate_limit");
  const named = await admin.call("PATCH", `/providers/1/keys/${keyId(ONE)}`, { name: "a/b c", weight: 2 });
  assert.deepEqual([named.data.name, named.data.weight, named.data.status], ["a/b c", 2, "cooling"]);
  assert.deepEqual(pool(admin), [ONE]);
  const again = await admin.call("PATCH", `/providers/1/keys/${encodeURIComponent("a/b c")}`, { weight: 0 });
  assert.deepEqual([again.data.name, again.data.weight], ["a/b c", 0]);
  const cleared = await admin.call("PATCH", `/providers/1/keys/${keyId(ONE)}`, { name: null });
  assert.equal(cleared.data.name, "");
});

Deno.test("PATCH keys switches a key off and on; what is known of it stays", async () => {
  await using admin = await startLive();
  await provide(admin, { api_key: ONE, api_keys: [TWO] });
  admin.attempt(1, 0, "rate_limit");
  const off = await admin.call("PATCH", `/providers/1/keys/${keyId(ONE)}`, { enabled: false });
  assert.deepEqual([off.data.enabled, off.data.status, off.data.error_count], [false, "off", 1]);
  assert.deepEqual(pool(admin), [TWO]);
  const last = await admin.call("PATCH", `/providers/1/keys/${keyId(TWO)}`, { enabled: false });
  assert.equal(last.data.status, "off");
  assert.deepEqual(pool(admin), []);
  const added = await admin.call("POST", "/providers/1/keys", { key: THREE, enabled: false });
  assert.deepEqual([added.data.enabled, added.data.status], [false, "off"]);
  const on = await admin.call("PATCH", `/providers/1/keys/${keyId(ONE)}`, { enabled: true });
  assert.deepEqual([on.data.enabled, on.data.status], [true, "cooling"]);
  assert.deepEqual(pool(admin), [ONE]);
  const wrong = await admin.call("PATCH", `/providers/1/keys/${keyId(ONE)}`, { enabled: "no" });
  assert.deepEqual([wrong.status, /enabled must be true or false/.test(wrong.message)], [400, true]);
});

Deno.test("DELETE keys removes a key and what was known of it; the last one may go too", async () => {
  await using admin = await startLive();
  await provide(admin, { api_key: ONE, api_keys: [{ key: TWO, name: "second" }] });
  admin.attempt(1, 0, "credential");
  const { status, text } = await admin.call("DELETE", `/providers/1/keys/${keyId(ONE)}`);
  assert.deepEqual([status, text], [200, '{"code":200,"message":"success"}']);
  assert.deepEqual(pool(admin), [TWO]);
  await admin.call("POST", "/providers/1/keys", { key: ONE });
  const { data } = await admin.call("GET", "/providers/1/keys");
  assert.deepEqual(data.map((key: { status: string }) => key.status), ["usable", "usable"]);
  await admin.call("DELETE", "/providers/1/keys/second");
  await admin.call("DELETE", `/providers/1/keys/${keyId(ONE)}`);
  assert.deepEqual((await admin.call("GET", "/providers/1/keys")).data, []);
  assert.equal((await admin.call("POST", "/providers/1/keys", { key: THREE })).status, 200);
  assert.equal(JSON.parse(await storedConfig(admin)).api_key ?? THREE, THREE);
});

Deno.test("POST reset makes a bad key usable at once and forgets what was counted", async () => {
  await using admin = await startLive();
  await provide(admin, { api_keys: [{ key: ONE, name: "main" }, TWO] });
  admin.attempt(1, 0, "credential");
  admin.attempt(1, 1, "credential");
  const { data } = await admin.call("POST", "/providers/1/keys/main/reset");
  assert.deepEqual([data.status, data.error_count, data.use_count, data.last_error], ["usable", 0, 0, null]);
  const keys = (await admin.call("GET", "/providers/1/keys")).data;
  assert.deepEqual(keys.map((key: { status: string }) => key.status), ["usable", "bad"]);
});

Deno.test("key routes answer 404 for what is not there, 409 for a name of several and 422 for a broken config", async () => {
  await using admin = await startLive();
  await provide(admin, { api_keys: [{ key: ONE, name: "twin" }, { key: TWO, name: "twin" }] });
  await admin.store.providers.create({
    name: "broken",
    type: "openai",
    config: '{"api_key":"sk-canary',
    console: "",
    proxy: "",
    errorMatcher: "",
  });
  const routes = (id: string, key: string) =>
    [
      ["PATCH", `/providers/${id}/keys/${key}`, { weight: 2 }],
      ["POST", `/providers/${id}/keys/${key}/reset`],
      ["DELETE", `/providers/${id}/keys/${key}`],
    ] as const;
  const ofProvider = (id: string) =>
    [["GET", `/providers/${id}/keys`], ["POST", `/providers/${id}/keys`, { key: THREE }]] as const;
  for (
    const [status, message, calls] of [
      [404, "Provider not found", [...routes("9", "twin"), ...ofProvider("9")]],
      [400, "Invalid ID format", [...routes("x", "twin"), ...ofProvider("x")]],
      [404, /Key not found/, [...routes("1", "nobody"), ...routes("1", keyId(THREE))]],
      [409, /Several keys have this name/, routes("1", "twin")],
      [422, /config cannot be used: config is not valid JSON/, [...routes("2", "x"), ...ofProvider("2")]],
    ] as const
  ) {
    for (const [method, path, body] of calls) {
      const answer = await admin.call(method, path, body);
      assert.deepEqual([answer.status, answer.code], [status, status], `${method} ${path}: ${answer.text}`);
      if (typeof message === "string") assert.equal(answer.message, message);
      else assert.match(answer.message, message);
    }
  }
  assert.deepEqual(pool(admin), [ONE, TWO]);
});

Deno.test("key routes never show a key, not even where a vendor quotes it", async () => {
  await using admin = await startLive();
  await provide(admin, { api_key: ONE, api_keys: [TWO] });
  await admin.call("PUT", "/model-providers/1", { customer_headers: { "X-Api-Key": THREE } });
  admin.attempt(1, 0, "credential", `bad ${ONE} ${TWO} ${THREE}`);
  const answers = [
    await admin.call("GET", "/providers/1/keys"),
    await admin.call("POST", "/providers/1/keys", { key: ONE }),
    await admin.call("POST", "/providers/1/keys", { key: THREE, weight: "x" }),
    await admin.call("PATCH", `/providers/1/keys/${keyId(ONE)}`, { name: "one" }),
    await admin.call("POST", "/explain", { model: "m" }),
    await admin.call("POST", "/providers/1/keys/one/reset"),
    await admin.call("DELETE", "/providers/1/keys/one"),
  ];
  for (const { text } of answers) assert.doesNotMatch(text, /canary|QKZVBWXJ|HGTRPLMN|YUDCSE/);
});
