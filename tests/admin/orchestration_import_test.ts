/** Rules of `POST /api/import/orchestration`. @module */
import assert from "node:assert/strict";
import { hashKey } from "../../src/access/key_text.ts";
import { type Admin, startAdmin, TOKEN } from "./harness.ts";

const SECRETS = [
  "sk-group-canary-0001",
  "sk-group-canary-0002",
  "proxy-canary-pass",
  "sk-client-canary-0123456789",
];

const WEST = {
  id: "west_1",
  group_name: "West",
  provider_type: "openai",
  base_url: "https://west.example/v1/",
  api_keys: [SECRETS[0], SECRETS[1], SECRETS[0]],
  models: ["gpt-4o", "gpt-4o-mini"],
  model_aliases: { "my-gpt": "gpt-4o" },
  parameter_overrides: { temperature: 0.2, stream: true, model: "x" },
  headers: { "X-Team": "blue" },
  balance_policy: "least_used",
  retry_count: 2,
  timeout: 90,
  rpm_limit: 60,
  test_model: "my-gpt",
  priority: 7,
  enabled: true,
  health_check_enabled: false,
  fake_streaming: true,
  proxy_enabled: true,
  proxy_config: {
    type: "http",
    host: "proxy.example",
    port: 3128,
    username: "u@x",
    password: SECRETS[2],
    bypass_local: true,
    bypass_domains: ["a.example"],
  },
};
const EAST = {
  id: "east",
  groupName: "East",
  providerType: "anthropic",
  apiKeys: JSON.stringify(["sk-east-canary-000001"]),
  models: '["claude","gpt-4o"]',
  modelAliases: null,
  balancePolicy: "failover",
  enabled: false,
  priority: 5000,
};
const CLIENT = {
  key_name: "ci",
  key_value: "sk-client-canary-0123456789",
  description: "the pipeline",
  is_active: true,
  allowed_groups: ["west_1", "unknown"],
  group_balance_policy: "weighted",
  rpm_limit: 30,
};

const send = (admin: Admin, body: unknown, query = "") =>
  admin.call("POST", `/import/orchestration${query}`, body);

async function content(admin: Admin) {
  const { text } = await admin.send("/api/config/export?secrets=plain", {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return JSON.parse(text, (name, value) => /At$|exported_at/.test(name) ? undefined : value);
}

Deno.test("a group becomes a provider with its key pool, its models and its aliases", async () => {
  await using admin = await startAdmin();
  const answer = await send(admin, [WEST, EAST]);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(admin.reloads(), 1);
  const { providers, models, associations } = await admin.store.routing();
  const [east, west] = providers;
  assert.deepEqual(JSON.parse(west?.config ?? ""), {
    base_url: "https://west.example/v1",
    api_keys: [SECRETS[0], SECRETS[1]],
    key_policy: "least_used",
    check_model: "gpt-4o",
  });
  assert.deepEqual(
    [west?.name, west?.type, west?.enabled, west?.priority, west?.fakeStream, west?.proxy],
    ["West", "openai", true, 7, true, `http://u%40x:${SECRETS[2]}@proxy.example:3128`],
  );
  assert.deepEqual([west?.parameterOverrides, west?.modelAliases], [{ temperature: 0.2 }, {
    "my-gpt": "gpt-4o",
  }]);
  assert.deepEqual(
    [
      east?.name,
      east?.type,
      east?.enabled,
      east?.priority,
      east?.fakeStream,
      east?.proxy,
      east?.modelAliases,
    ],
    ["East", "anthropic", false, 1000, false, "", null],
  );
  assert.equal(JSON.parse(east?.config ?? "").base_url, "https://api.anthropic.com/v1");
  const figures = models.map(({ name, maxRetry, timeOutSeconds }) => [name, maxRetry, timeOutSeconds]).sort();
  assert.deepEqual(figures, [
    ["claude", 4, 60],
    ["gpt-4o", 7, 90],
    ["gpt-4o-mini", 3, 90],
    ["my-gpt", 3, 90],
  ]);
  const links = associations.map((row) => [
    models.find(({ id }) => id === row.modelId)?.name,
    providers.find(({ id }) => id === row.providerId)?.name,
    row.providerModel,
    row.weight,
    row.toolCall && row.structuredOutput && row.image,
    row.customerHeaders?.["X-Team"] ?? "",
  ]).sort();
  assert.deepEqual(links, [
    ["claude", "East", "claude", 1, true, ""],
    ["gpt-4o", "East", "gpt-4o", 1, true, ""],
    ["gpt-4o", "West", "gpt-4o", 1, true, "blue"],
    ["gpt-4o-mini", "West", "gpt-4o-mini", 1, true, "blue"],
    ["my-gpt", "West", "my-gpt", 1, true, "blue"],
  ]);
});

Deno.test("the answer counts what was written and says what did not come along, without secrets", async () => {
  await using admin = await startAdmin();
  const { data, text } = await send(admin, { groups: [WEST, EAST], proxy_keys: [CLIENT] });
  assert.deepEqual([data.dry_run, data.providers, data.models, data.associations, data.auth_keys], [
    false,
    { created: 2, updated: 0, skipped: 0 },
    { created: 4, updated: 0, skipped: 0 },
    { created: 5, updated: 0, skipped: 0 },
    { created: 1, updated: 0, skipped: 0 },
  ]);
  assert.equal(data.message, "Imported 12 rows from 2 groups, skipped 0 groups");
  const [west, east] = data.groups;
  assert.deepEqual([west.name, west.fate, east.name, east.fate], ["West", "created", "East", "created"]);
  const told = west.messages.join("\n");
  for (
    const word of [
      "rpm_limit",
      "health_check_enabled",
      "bypass_domains",
      "must not set stream",
      "must not set model",
    ]
  ) {
    assert.ok(told.includes(word), `${word} in ${told}`);
  }
  assert.match(east.messages.join("\n"), /balance_policy[^]*priority 5000 became 1000/);
  assert.match(data.proxy_keys[0].messages.join("\n"), /allowed_groups[^]*group_balance_policy/);
  for (const secret of [...SECRETS, CLIENT.key_value, "canary"]) assert.ok(!text.includes(secret), secret);
});

Deno.test("keys of clients keep working: their hash is stored, with the groups and the limit that they had", async () => {
  await using admin = await startAdmin();
  await send(admin, { Groups: [WEST, EAST], ProxyKeys: [CLIENT] });
  const [key] = await admin.store.authKeys.list();
  assert.deepEqual(
    [key?.name, key?.hash, key?.key, key?.status, key?.allowAll, key?.requestsPerMinute, key?.providers],
    ["ci", hashKey(CLIENT.key_value), "", true, true, 30, [1]],
  );
  const again = { ...CLIENT, key_name: "other", allowed_groups: [] };
  const shutOut = {
    ...CLIENT,
    key_name: "third",
    key_value: "sk-client-canary-9876543210",
    allowed_groups: ["x"],
  };
  const short = { ...CLIENT, key_name: "fourth", key_value: "short", allowed_groups: [] };
  const { data } = await send(admin, { groups: [], proxy_keys: [CLIENT, again, shutOut, short] });
  assert.equal(data.auth_keys.skipped, 4);
  const told = data.proxy_keys.map((each: { messages: string[] }) => each.messages.join());
  assert.match(told[0], /a key of this name exists/);
  assert.match(told[1], /the same key exists/);
  assert.match(told[2], /none of its allowed_groups is known/);
  assert.match(told[3], /at least 16 characters/);
  assert.equal((await admin.store.authKeys.list()).length, 1);
});

Deno.test("mode=update leaves a key of a client all limits that OrchestrationApi does not have, and its secret", async () => {
  await using admin = await startAdmin();
  await send(admin, { Groups: [WEST, EAST], ProxyKeys: [CLIENT] });
  const own = {
    allow_all: false,
    models: ["gpt-4o"],
    budget_total: 5,
    tokens_per_minute: 100,
    expires_at: "2030-01-01T00:00:00Z",
  };
  assert.equal((await admin.call("PUT", "/auth-keys/1", own)).code, 200);
  const before = await admin.store.authKeys.get(1);
  const changed = {
    ...CLIENT,
    key_value: "sk-rotated-canary-123456",
    rpm_limit: 7,
    is_active: false,
    allowed_groups: [],
  };
  const { data, text } = await send(admin, { groups: [], proxy_keys: [changed] }, "?mode=update");
  assert.equal(data.proxy_keys[0].fate, "updated");
  assert.match(data.proxy_keys[0].messages.join(), /key_value does not come along/);
  assert.ok(!text.includes("canary"));
  const { updatedAt: _, ...after } = await admin.store.authKeys.get(1) ?? {};
  const { updatedAt: __, ...expected } = before ?? {};
  assert.deepEqual(after, { ...expected, status: false, requestsPerMinute: 7, providers: null });
});

Deno.test("groups whose names exist are skipped with a message, or replaced with mode=update", async () => {
  await using admin = await startAdmin();
  await send(admin, [WEST]);
  await admin.call("PUT", "/model-providers/1", { weight: 9, input_price: 2 });
  await admin.call("PUT", "/models/1", { time_out: 5 });
  await admin.call("PUT", "/providers/1", { console: "https://console.example/" });
  const before = await content(admin);
  const changed = {
    ...WEST,
    api_keys: ["sk-new-canary-00001"],
    priority: 1,
    headers: {},
    models: ["gpt-4o", "o9"],
  };
  const skipped = await send(admin, [changed]);
  assert.equal(skipped.data.groups[0].fate, "skipped");
  assert.match(skipped.data.groups[0].messages[0], /exists.*mode=update/);
  assert.deepEqual(await content(admin), before);

  const { data } = await send(admin, [changed], "?mode=update");
  assert.deepEqual([data.groups[0].fate, data.providers.updated, data.models, data.associations], [
    "updated",
    1,
    { created: 1, updated: 0, skipped: 2 },
    { created: 1, updated: 2, skipped: 0 },
  ]);
  const { providers, models, associations } = await admin.store.routing();
  assert.deepEqual([providers[0]?.priority, providers[0]?.console], [1, "https://console.example/"]);
  assert.deepEqual(JSON.parse(providers[0]?.config ?? "").api_keys, ["sk-new-canary-00001"]);
  assert.equal(models.find(({ id }) => id === 1)?.timeOutSeconds, 5);
  const first = associations.find(({ id }) => id === 1);
  assert.deepEqual([first?.weight, first?.inputPrice, first?.customerHeaders], [9, 2, {}]);
});

Deno.test("importing twice comes to the same as once, in both modes", async () => {
  await using admin = await startAdmin();
  const document = { groups: [WEST, EAST], proxy_keys: [CLIENT] };
  await send(admin, document);
  const once = await content(admin);
  for (const query of ["", "?mode=update"]) {
    assert.equal((await send(admin, document, query)).status, 200);
    assert.deepEqual(await content(admin), once);
  }
});

Deno.test("dry_run=true answers what would happen, and changes nothing", async () => {
  await using admin = await startAdmin();
  const before = await content(admin);
  const dry = await send(admin, { groups: [WEST, EAST], proxy_keys: [CLIENT] }, "?dry_run=true");
  assert.deepEqual([dry.status, dry.data.dry_run, admin.reloads()], [200, true, 0]);
  assert.deepEqual(await content(admin), before);
  assert.equal(
    (await admin.store.audit.page({ action: "config.import" }, { page: 1, pageSize: 9 })).total,
    0,
  );
  const { data } = await send(admin, { groups: [WEST, EAST], proxy_keys: [CLIENT] });
  for (const part of ["providers", "models", "associations", "auth_keys", "groups", "proxy_keys"]) {
    assert.deepEqual(dry.data[part], data[part], part);
  }
  assert.equal(
    (await admin.store.audit.page({ action: "config.import" }, { page: 1, pageSize: 9 })).total,
    1,
  );
});

const REFUSED: readonly (readonly [string, unknown, RegExp])[] = [
  ["no export", { providers: [] }, /no export of OrchestrationApi/],
  ["a text", "x", /no export of OrchestrationApi/],
  ["groups that are no array", { groups: {} }, /groups must be an array/],
  ["a group that is no object", [WEST, 1], /groups\[1\] must be an object/],
  [
    "an unknown type",
    [{ ...WEST, provider_type: "azure" }],
    /groups\[0\] \(West\): provider_type "azure" is not one of/,
  ],
  ["no type", [{ ...WEST, provider_type: null }], /provider_type is required/],
  ["no name", [{ provider_type: "openai" }], /group_name is required/],
  [
    "keys that are no texts",
    [{ ...WEST, api_keys: [SECRETS[0], 1] }],
    /api_keys must be an array of strings/,
  ],
  ["a text that is no JSON", [{ ...WEST, models: "[canary" }], /models holds a text that is not JSON/],
  ["a priority that is no number", [{ ...WEST, priority: "high" }], /priority must be a whole number/],
  [
    "a base URL that is none",
    [{ ...WEST, base_url: "ftp://canary" }],
    /groups\[0\] \(West\): config: base_url/,
  ],
  ["a proxy without a host", [{ ...WEST, proxy_config: {} }], /proxy_config must name a host/],
  ["a proxy of another kind", [{ ...WEST, proxy_config: { type: "x", host: "h" } }], /proxy must be a URL/],
  ["headers that cannot be sent", [{ ...WEST, headers: { Host: "canary" } }], /headers must not set Host/],
  ["a bad alias", [{ ...WEST, model_aliases: { a: "" } }], /model_aliases has an empty name/],
];
for (const [what, body, message] of REFUSED) {
  Deno.test(`${what} is refused, and nothing of the rest is imported`, async () => {
    await using admin = await startAdmin();
    const given = Array.isArray(body) && what !== "a group that is no object" ? [...body, EAST] : body;
    const answer = await send(admin, given);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.message, message);
    assert.ok(!answer.text.includes("canary"), answer.text);
    assert.deepEqual(await admin.store.providers.list({}), []);
  });
}

Deno.test("one group alone, an answer's data and a group without models or keys are taken as well", async () => {
  await using admin = await startAdmin();
  assert.equal((await send(admin, WEST)).data.providers.created, 1);
  assert.equal((await send(admin, { success: true, data: { groups: [EAST] } })).data.providers.created, 1);
  const { data } = await send(admin, { data: [{ group_name: "Bare", provider_type: "openai_responses" }] });
  assert.match(data.groups[0].messages.join(), /no keys.*no models/);
  const [bare] = await admin.store.providers.list({ name: "Bare" });
  assert.deepEqual([bare?.type, JSON.parse(bare?.config ?? "").base_url], [
    "openai-res",
    "https://api.openai.com/v1",
  ]);
});

Deno.test("Gemini's names lose their collection, and of two groups of one name the first counts", async () => {
  await using admin = await startAdmin();
  const gemini = { group_name: "G", provider_type: "gemini", api_keys: ["k"], models: ["models/gemini-pro"] };
  const { data } = await send(admin, [gemini, { ...gemini, models: ["other"] }]);
  assert.deepEqual(data.groups.map(({ fate }: { fate: string }) => fate), ["created", "skipped"]);
  assert.deepEqual((await admin.store.models.list()).map(({ name }) => name), ["gemini-pro"]);
});

Deno.test("a token that may only read may not import", async () => {
  await using admin = await startAdmin();
  const { data } = await admin.call("POST", "/admin-tokens", { name: "reader", scope: "read" });
  const token = data?.Token ?? data?.token;
  assert.equal(typeof token, "string");
  const answer = await admin.send("/api/import/orchestration", {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify([WEST]),
  });
  assert.equal(answer.status, 403);
});
