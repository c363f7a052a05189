/** Rules of `/api/providers`. @module */
import assert from "node:assert/strict";
import { PROVIDER, seed, startAdmin } from "./harness.ts";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

Deno.test("POST /api/providers answers llmio's row, in llmio's order, with the secrets masked", async () => {
  await using admin = await startAdmin();
  const answer = await admin.call("POST", "/providers", PROVIDER);
  assert.equal(answer.status, 200);
  const { CreatedAt, UpdatedAt, ...rest } = answer.data;
  assert.match(CreatedAt, TIME);
  assert.match(UpdatedAt, TIME);
  assert.deepEqual(rest, {
    ID: 1,
    DeletedAt: null,
    Name: "Acme West",
    Type: "openai",
    Config: '{"base_url":"https://llm.example/v1","api_key":"****6789"}',
    Console: "https://console.example/",
    Proxy: "http://user:****@proxy.example:3128",
    ErrorMatcher: '"status":"439"',
    Enabled: true,
    Priority: 0,
    ParameterOverrides: null,
    ModelAliases: null,
    FakeStream: false,
  });
  const order = [
    "ID",
    "CreatedAt",
    "UpdatedAt",
    "DeletedAt",
    "Name",
    "Type",
    "Config",
    "Console",
    "Proxy",
    "ErrorMatcher",
  ];
  const own = ["Enabled", "Priority", "ParameterOverrides", "ModelAliases", "FakeStream"];
  assert.deepEqual(Object.keys(answer.data), [...order, ...own]);
  assert.deepEqual(Object.keys(JSON.parse(answer.text)), ["code", "message", "data"]);
  assert.equal(admin.reloads(), 1);
});

Deno.test("POST /api/providers stores the real secrets and the base URL in its one form", async () => {
  await using admin = await startAdmin();
  const config = '{ "api_key":"k", "base_url" : " HTTPS://LLM.example/v1/chat/completions/ ", "2":1, "1":2 }';
  await admin.call("POST", "/providers", { name: " n ", type: "openai", config, proxy: " socks5://p:1 " });
  const stored = await admin.store.providers.get(1);
  assert.equal(stored?.config, '{ "api_key":"k", "base_url" : "https://llm.example/v1", "2":1, "1":2 }');
  assert.deepEqual([stored?.name, stored?.proxy, stored?.console], ["n", "socks5://p:1", ""]);
});

Deno.test("POST /api/providers can create a provider that is switched off", async () => {
  await using admin = await startAdmin();
  assert.equal((await admin.call("POST", "/providers", { ...PROVIDER, enabled: false })).data.Enabled, false);
  assert.equal((await admin.store.providers.get(1))?.enabled, false);
});

Deno.test("GET /api/providers lists the newest first and filters by part of the name and by type", async () => {
  await using admin = await startAdmin();
  assert.equal((await admin.call("GET", "/providers")).text, '{"code":200,"message":"success","data":[]}');
  for (const [name, type] of [["Acme", "openai"], ["acme two", "gemini"], ["Other", "gemini"]]) {
    await admin.call("POST", "/providers", { ...PROVIDER, name, type });
  }
  const names = async (query: string) =>
    (await admin.call("GET", `/providers${query}`)).data.map((row: { Name: string }) => row.Name);
  assert.deepEqual(await names(""), ["Other", "acme two", "Acme"]);
  assert.deepEqual(await names("?name=ACME"), ["acme two", "Acme"]);
  assert.deepEqual(await names("?type=gemini"), ["Other", "acme two"]);
  assert.deepEqual(await names("?name=acme&type=gemini"), ["acme two"]);
  assert.deepEqual(await names("?name=&type=&unknown=1"), ["Other", "acme two", "Acme"]);
  assert.deepEqual(await names("?name=%25"), []);
});

Deno.test("GET /api/providers/template answers four flat objects of texts in llmio's order", async () => {
  await using admin = await startAdmin();
  const { data } = await admin.call("GET", "/providers/template");
  assert.deepEqual(data.map((one: { type: string }) => one.type), [
    "openai",
    "gemini",
    "openai-res",
    "anthropic",
  ]);
  assert.deepEqual(data.map((one: { template: string }) => JSON.parse(one.template)), [
    { base_url: "https://api.openai.com/v1", api_key: "YOUR_API_KEY" },
    { base_url: "https://generativelanguage.googleapis.com/v1beta", api_key: "YOUR_GEMINI_API_KEY" },
    { base_url: "https://api.openai.com/v1", api_key: "YOUR_API_KEY" },
    { base_url: "https://api.anthropic.com/v1", api_key: "YOUR_API_KEY", version: "2023-06-01" },
  ]);
  assert.match(data[0].template, /^\{\n\t"base_url"/);
});

/** Bodies that are refused, the field at fault and words of the message. */
const REFUSED: readonly [rule: string, change: Record<string, unknown>, message: RegExp][] = [
  ["no name", { name: undefined }, /name is required/],
  ["an empty name", { name: "" }, /name must not be empty/],
  ["a blank name", { name: " \t " }, /name must not be empty/],
  ["a name that is no text", { name: 7 }, /name must be a string/],
  ["a long name", { name: "x".repeat(256) }, /name must not be longer than 255 characters/],
  ["a control character in the name", { name: "a\u0007b" }, /name must not contain control characters/],
  ["a broken character in the name", { name: "a\ud800" }, /name must be well-formed Unicode/],
  ["no type", { type: undefined }, /type is required/],
  ["an unknown type", { type: "azure" }, /type must be one of openai, openai-res, anthropic, gemini/],
  ["no config", { config: undefined }, /config is required/],
  [
    "a config that is no text",
    { config: { base_url: "http://h" } },
    /config must be a string that holds a JSON object/,
  ],
  ["a config that is no JSON", { config: "{" }, /config must be a JSON object/],
  ["an empty config", { config: "" }, /config (must be|is not valid)/],
  ["no base URL", { config: '{"api_key":"k"}' }, /config: base_url is empty; give/],
  [
    "a base URL of another scheme",
    { config: '{"base_url":"ftp://h"}' },
    /config: base_url must be an http or https URL/,
  ],
  [
    "the metadata service",
    { config: '{"base_url":"http://2852039166"}' },
    /config: base_url points to a cloud metadata/,
  ],
  [
    "a key with a line break",
    { config: '{"base_url":"http://h","api_key":"a\\nb"}' },
    /config: api_key contains/,
  ],
  [
    "a mask for a key",
    { config: '{"base_url":"http://h","api_key":"****6789"}' },
    /api_key is a mask that matches no/,
  ],
  ["a mask in the proxy", { proxy: "http://u:****@p:1" }, /proxy is a mask that matches no/],
  ["a proxy of another scheme", { proxy: "ftp://p:1" }, /proxy must be a URL such as/],
  ["a proxy without a scheme", { proxy: "p:1" }, /proxy must be a URL/],
  ["a proxy without a host", { proxy: "http:///x" }, /proxy must be a URL/],
  ["a console that runs script", { console: "javascript:alert(1)" }, /console must be an http or https URL/],
  ["a console that is no text", { console: 1 }, /console must be a string/],
  [
    "a NUL in the error matcher",
    { error_matcher: "a\0b" },
    /error_matcher must be well-formed Unicode without NUL/,
  ],
  ["a switch that is no boolean", { enabled: "yes" }, /enabled must be true or false/],
];

Deno.test("POST and PUT /api/providers refuse, and change nothing, for", async (t) => {
  await using admin = await startAdmin();
  await admin.call("POST", "/providers", {
    name: "bare",
    type: "openai",
    config: '{"base_url":"http://h/v1"}',
  });
  const before = await admin.store.providers.list({});
  for (const [rule, change, message] of REFUSED) {
    await t.step(rule, async () => {
      const answers = [await admin.call("POST", "/providers", { ...PROVIDER, ...change })];
      // A field that is left out of a PUT keeps its value.
      if (!Object.values(change).includes(undefined)) {
        answers.push(await admin.call("PUT", "/providers/1", change));
      }
      for (const answer of answers) {
        assert.deepEqual([answer.status, answer.code], [400, 400]);
        assert.match(answer.message, message);
        assert.match(answer.message, /^Invalid request body: /);
      }
      assert.deepEqual(await admin.store.providers.list({}), before);
    });
  }
});

Deno.test("POST and PUT /api/providers answer 409 for a name that is taken", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/providers", PROVIDER);
  await admin.call("POST", "/providers", { ...PROVIDER, name: "second" });
  const posted = await admin.call("POST", "/providers", { ...PROVIDER, name: " Acme West " });
  assert.equal(posted.text, '{"code":409,"message":"Provider already exists"}');
  assert.equal((await admin.call("PUT", "/providers/2", { name: "Acme West" })).status, 409);
  assert.equal(
    (await admin.call("PUT", "/providers/1", { name: "Acme West" })).status,
    200,
    "its own name is free",
  );
});

Deno.test("PUT /api/providers/:id changes what is sent, keeps what is left out and clears what is empty", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/providers", PROVIDER);
  const { data } = await admin.call("PUT", "/providers/1", {
    name: "renamed",
    console: "",
    proxy: "",
    error_matcher: null,
  });
  assert.deepEqual([data.Name, data.Console, data.Proxy, data.ErrorMatcher], ["renamed", "", "", ""]);
  assert.equal((await admin.store.providers.get(1))?.config, PROVIDER.config);
});

Deno.test("PUT /api/providers/:id takes a row back as it was read, and nothing changes", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/providers", PROVIDER);
  const before = await admin.store.providers.get(1);
  const { data: [row] } = await admin.call("GET", "/providers");
  const answer = await admin.call("PUT", "/providers/1", row);
  assert.deepEqual([answer.status, answer.data], [200, row]);
  assert.deepEqual(await admin.store.providers.get(1), before);
});

Deno.test("PUT /api/providers/:id keeps the secrets when a row comes back with other changes", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/providers", PROVIDER);
  const { data: [row] } = await admin.call("GET", "/providers");
  const config = JSON.stringify({ ...JSON.parse(row.Config), check_model: "small" });
  await admin.call("PUT", "/providers/1", {
    ...row,
    Config: config,
    Proxy: "http://user:****@other.example:1",
    Enabled: false,
  });
  const stored = await admin.store.providers.get(1);
  assert.equal(
    stored?.config,
    '{"base_url":"https://llm.example/v1","api_key":"sk-canary-0123456789","check_model":"small"}',
  );
  assert.equal(stored?.proxy, "http://user:canary-pass@other.example:1");
  assert.equal(stored?.enabled, false);
});

/** Configs written over a stored one, and the keys that are stored then. */
const KEYS: readonly [rule: string, config: string, keys: unknown][] = [
  ["keeps a key that is left out", '{"base_url":"http://new/"}', "sk-canary-0123456789"],
  [
    "keeps a key whose mask is sent",
    '{"base_url":"http://new","api_key":"****6789"}',
    "sk-canary-0123456789",
  ],
  ["takes a new key", '{"base_url":"http://new","api_key":"fresh"}', "fresh"],
  ["removes the key for an empty text", '{"base_url":"http://new","api_key":""}', ""],
  ["removes the key for null", '{"base_url":"http://new","api_key":null}', null],
];

for (const [rule, config, key] of KEYS) {
  Deno.test(`PUT /api/providers/:id ${rule}`, async () => {
    await using admin = await startAdmin();
    await admin.call("POST", "/providers", PROVIDER);
    assert.equal((await admin.call("PUT", "/providers/1", { config })).status, 200);
    const stored = JSON.parse((await admin.store.providers.get(1))?.config ?? "");
    assert.deepEqual(stored, { base_url: "http://new/v1", api_key: key });
  });
}

Deno.test("PUT /api/providers/:id checks the config again when only the type changes", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/providers", PROVIDER);
  assert.equal((await admin.call("PUT", "/providers/1", { type: "anthropic" })).data.Type, "anthropic");
  assert.equal((await admin.store.providers.get(1))?.config, PROVIDER.config);
});

Deno.test("rows of older programs stay readable and can be renamed as they are", async () => {
  await using admin = await startAdmin();
  const old = {
    name: "old",
    type: "azure",
    config: "{canary",
    console: "javascript:x",
    proxy: "u:canary@p",
    errorMatcher: "",
  };
  await admin.store.providers.create(old);
  const { data: [row] } = await admin.call("GET", "/providers");
  assert.deepEqual([row.Type, row.Proxy], ["azure", "u:****@p"]);
  assert.doesNotMatch(JSON.stringify(row), /canary/);
  const answer = await admin.call("PUT", "/providers/1", { ...row, Name: "renamed" });
  assert.equal(answer.status, 200);
  const { id: _id, createdAt: _c, updatedAt: _u, enabled: _e, ...stored } =
    await admin.store.providers.get(1) ?? {};
  const features = { priority: 0, parameterOverrides: null, modelAliases: null, fakeStream: false };
  assert.deepEqual(stored, { ...old, ...features, name: "renamed" });
  assert.match(
    (await admin.call("PUT", "/providers/1", { config: PROVIDER.config })).message,
    /type is unknown/,
  );
});

Deno.test("PATCH /api/providers/:id/status switches by status or enabled", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/providers", PROVIDER);
  for (
    const [body, enabled] of [[{ status: false }, false], [{ enabled: true }, true], [
      { Status: false },
      false,
    ]] as const
  ) {
    const answer = await admin.call("PATCH", "/providers/1/status", body);
    assert.deepEqual([answer.status, answer.data.Enabled], [200, enabled]);
  }
  assert.equal(admin.reloads(), 4);
  for (
    const body of [{}, { status: "true" }, { status: null }, { status: 1 }, { status: true, enabled: false }]
  ) {
    assert.equal((await admin.call("PATCH", "/providers/1/status", body)).status, 400, JSON.stringify(body));
  }
});

Deno.test("DELETE /api/providers/:id removes the provider and its associations and answers no data", async () => {
  await using admin = await startAdmin();
  const { providerId, modelId } = await seed(admin);
  const answer = await admin.call("DELETE", `/providers/${providerId}`);
  assert.equal(answer.text, '{"code":200,"message":"success"}');
  assert.deepEqual((await admin.call("GET", "/providers")).data, []);
  assert.deepEqual((await admin.call("GET", `/model-providers?model_id=${modelId}`)).data, []);
  assert.equal(admin.reloads(), 4);
  assert.equal(
    (await admin.call("POST", "/providers", PROVIDER)).data.ID,
    2,
    "the name is free, the id is new",
  );
});

Deno.test("an unknown provider is a 404", async () => {
  await using admin = await startAdmin();
  const calls = [["PUT", "/providers/9", {}], ["DELETE", "/providers/9"], ["GET", "/providers/models/9"], [
    "PATCH",
    "/providers/0/status",
    { status: true },
  ]] as const;
  for (const [method, path, body] of calls) {
    const answer = await admin.call(method, path, body);
    assert.deepEqual([answer.status, answer.message], [404, "Provider not found"], path);
  }
});

Deno.test("GET /api/providers/models/:id answers what the provider lists now", async () => {
  const asked: string[] = [];
  const listed = [{ id: "m", object: "model", created: 1, owned_by: "acme", hidden: "canary" }];
  await using admin = await startAdmin({
    listModels: (provider) => {
      asked.push(provider.name);
      return Promise.resolve(listed);
    },
  });
  await admin.call("POST", "/providers", PROVIDER);
  const answer = await admin.call("GET", "/providers/models/1");
  assert.deepEqual(answer.data, [{ id: "m", object: "model", created: 1, owned_by: "acme" }]);
  assert.deepEqual(asked, ["Acme West"]);
  listed.length = 0;
  assert.deepEqual((await admin.call("GET", "/providers/models/1")).data, []);
});

Deno.test("GET /api/providers/models/:id says why it failed, without the key", async () => {
  await using admin = await startAdmin({
    listModels: () => Promise.reject(new Error("status code: 401, key sk-canary-0123456789")),
  });
  await admin.call("POST", "/providers", PROVIDER);
  const answer = await admin.call("GET", "/providers/models/1");
  assert.equal(answer.status, 502);
  assert.equal(answer.message, "Failed to get models: status code: 401, key ****6789");
  await admin.store.providers.create({
    name: "old",
    type: "openai",
    config: "{",
    console: "",
    proxy: "",
    errorMatcher: "",
  });
  const unusable = await admin.call("GET", "/providers/models/2");
  assert.equal(unusable.status, 422);
  assert.match(unusable.message, /^Failed to get models: config is not valid JSON/);
});

Deno.test("a provider's priority, overrides, aliases and fake stream are stored, shown, changed and cleared", async () => {
  await using admin = await startAdmin();
  const features = {
    priority: -5,
    parameter_overrides: { temperature: 0, "a.b": { deep: [1] }, prompt_cache_key: "k" },
    model_aliases: { fast: "vendor/fast-1", __proto__x: "y" },
    fake_stream: true,
  };
  const shown = (
    row: Record<string, unknown>,
  ) => [row.Priority, row.ParameterOverrides, row.ModelAliases, row.FakeStream];
  const { parameter_overrides: overrides, model_aliases: aliases } = features;
  const created = await admin.call("POST", "/providers", { ...PROVIDER, ...features });
  assert.deepEqual(shown(created.data), [-5, overrides, aliases, true]);
  const renamed = await admin.call("PUT", "/providers/1", { name: "n" });
  assert.deepEqual(shown(renamed.data), [-5, overrides, aliases, true]);
  const same = await admin.call("PUT", "/providers/1", { ...renamed.data, Priority: 1000 });
  assert.deepEqual(shown(same.data), [1000, overrides, aliases, true]);
  assert.deepEqual((await admin.store.providers.get(1))?.modelAliases, aliases);
  const cleared = await admin.call("PUT", "/providers/1", {
    priority: 0,
    parameter_overrides: null,
    model_aliases: {},
    fake_stream: false,
  });
  assert.deepEqual(shown(cleared.data), [0, null, null, false]);
});

const REFUSED_FEATURES: readonly (readonly [Record<string, unknown>, RegExp])[] = [
  [{ priority: 1.5 }, /priority must be a whole number from -1000 to 1000/],
  [{ priority: 1001 }, /priority must be a whole number from -1000 to 1000/],
  [{ priority: "1" }, /priority must be a whole number/],
  [{ parameter_overrides: [] }, /parameter_overrides must be an object/],
  [{ parameter_overrides: { model: "x" } }, /parameter_overrides must not set model: use model_aliases/],
  [{ parameter_overrides: { stream: true } }, /parameter_overrides must not set stream: /],
  [{ parameter_overrides: { "": 1 } }, /parameter_overrides has an empty key/],
  [{ parameter_overrides: { api_key: "x" } }, /must not set api_key: it looks like a secret/],
  [{ model_aliases: { a: 1 } }, /model_aliases.*must be a string/],
  [{ model_aliases: { a: "" } }, /model_aliases has an empty name/],
  [{ model_aliases: { "a\n": "b" } }, /model_aliases has a name with blanks/],
  [{ model_aliases: { "a\u0001b": "b" } }, /model_aliases has a name with a control character/],
  [{ model_aliases: { a: "b".repeat(256) } }, /model_aliases has a name longer than 255/],
  [{ fake_stream: 1 }, /fake_stream must be true or false/],
];
for (const [fields, message] of REFUSED_FEATURES) {
  Deno.test(`POST and PUT /api/providers refuse ${JSON.stringify(fields).slice(0, 60)}`, async () => {
    await using admin = await startAdmin();
    const created = await admin.call("POST", "/providers", { ...PROVIDER, ...fields });
    assert.deepEqual([created.status, created.data], [400, undefined]);
    assert.match(created.message, message);
    await admin.call("POST", "/providers", PROVIDER);
    const updated = await admin.call("PUT", "/providers/1", fields);
    assert.equal(updated.status, 400);
    assert.match(updated.message, message);
  });
}
