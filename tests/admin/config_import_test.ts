/** Rules of exporting and importing the configuration. @module */
import assert from "node:assert/strict";
import { type Admin, seed, startAdmin, TOKEN } from "./harness.ts";

const KEY = "sk-canary-0123456789";
const PASSPHRASE = "correct horse battery";

async function exported(admin: Admin, query = "", headers: Record<string, string> = {}) {
  const answer = await admin.send(`/api/config/export${query}`, {
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
  });
  assert.equal(answer.status, 200, answer.text);
  return { text: answer.text, document: JSON.parse(answer.text) };
}

function imported(admin: Admin, document: unknown, query = "", headers: Record<string, string> = {}) {
  return admin.send(`/api/config/import${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    body: JSON.stringify(document),
  });
}

/** Everything that is configured, with its secrets and without times. */
async function contentOf(admin: Admin): Promise<unknown> {
  const { document } = await exported(admin, "?secrets=plain");
  const { providers, models, model_providers, auth_keys, configs, health_config } = document;
  return JSON.parse(
    JSON.stringify({ providers, models, model_providers, auth_keys, configs, health_config }),
    (name, value) => name === "CreatedAt" || name === "UpdatedAt" ? undefined : value,
  );
}

/** A gateway with everything that can be exported. */
async function filled(admin: Admin): Promise<void> {
  const { id, modelId, providerId } = await seed(admin);
  await admin.call("PUT", `/model-providers/${id}`, {
    customer_headers: { Authorization: "Bearer header-canary-99", "X-Team": "a" },
    extra_body: { "a.b": [1, { c: 2.5 }] },
    weight: 3,
    input_price: 1.5,
    currency: "USD",
  });
  await admin.call("POST", "/model-providers", {
    model_id: modelId,
    provider_id: providerId,
    provider_name: "b",
    status: false,
  });
  await admin.call("POST", "/model-providers", {
    model_id: modelId,
    provider_id: providerId,
    provider_name: "b",
  });
  const pool = {
    base_url: "https://h.example/v1",
    api_keys: [{ key: "sk-pool-canary-1", name: "x" }, "sk-pool-canary-2"],
  };
  await admin.call("POST", "/providers", {
    name: "Pool",
    type: "anthropic",
    config: JSON.stringify({ ...pool, note: "kept" }),
    enabled: false,
  });
  for (
    const [name, more] of [["team-a", { allow_all: true }], ["team-b", {
      models: ["b"],
      providers: [2],
    }]] as const
  ) {
    await admin.call("POST", "/auth-keys", {
      name,
      expires_at: "2099-12-31T00:00:00+08:00",
      requests_per_minute: 5,
      budget_day: 1.5,
      tags: ["t"],
      ...more,
    });
  }
  for (const [name, strategy] of [["b", "sticky"], ["c", "rotor"]] as const) {
    await admin.call("POST", "/models", {
      name,
      strategy,
      remark: "r",
      max_retry: 2,
      first_token_timeout: 5,
    });
  }
  await admin.call("PATCH", "/models/order", { model_ids: [2, 3, 1] });
  await admin.call("PUT", "/config/anthropic_count_tokens", {
    value: JSON.stringify({
      base_url: "https://count.example/v1",
      api_key: "sk-count-canary-1",
      version: "2023-06-01",
    }),
  });
  await admin.call("PUT", "/config/log_cleanup_policy", { value: '{"enabled":true,"retention_days":9}' });
  await admin.call("PUT", "/health-check/config", { interval_minutes: 7, retry_after_minutes: 11 });
}

const WAYS: readonly [secrets: string, headers: Record<string, string>][] = [
  ["plain", {}],
  ["encrypted", { "x-llmio-passphrase": PASSPHRASE }],
];

for (const [secrets, headers] of WAYS) {
  for (const mode of ["skip", "update"]) {
    Deno.test(`an export with ${secrets} secrets makes an empty gateway equal (mode ${mode})`, async () => {
      await using one = await startAdmin();
      await using other = await startAdmin();
      await filled(one);
      const { document } = await exported(one, `?secrets=${secrets}`, headers);
      const answer = await imported(other, document, `?mode=${mode}`, headers);
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual([answer.data.imported_count, answer.data.providers_without_keys], [8, []]);
      assert.deepEqual(answer.data.notes, []);
      assert.deepEqual(await contentOf(other), await contentOf(one));
      assert.equal(other.reloads(), 1);
      // Once more, and nothing is doubled.
      const again = await imported(other, document, `?mode=${mode}`, headers);
      assert.equal(again.data.imported_count, mode === "skip" ? 0 : 8);
      assert.deepEqual(await contentOf(other), await contentOf(one));
    });
  }
}

Deno.test("GET /api/config/export holds no secret unless it is asked for one", async () => {
  await using admin = await startAdmin();
  await filled(admin);
  for (
    const [query, headers] of [["", {}], ["?secrets=encrypted", {
      "x-llmio-passphrase": PASSPHRASE,
    }]] as const
  ) {
    const { text, document } = await exported(admin, query, headers);
    assert.doesNotMatch(text, /canary-\w*\d{2}|canary-pass|header-canary|sk-\w*-?canary|correct horse/);
    assert.deepEqual([document.version, document.providers.length, document.secrets], [
      "1.0",
      2,
      query === "" ? "none" : "encrypted",
    ]);
  }
  const { text } = await exported(admin, "?secrets=plain");
  for (const secret of [KEY, "canary-pass", "header-canary-99", "sk-pool-canary-2", "sk-count-canary-1"]) {
    assert.ok(text.includes(secret), secret);
  }
});

Deno.test("GET /api/config/export refuses a missing or short passphrase, and other words for secrets", async () => {
  await using admin = await startAdmin();
  for (const query of ["?secrets=encrypted", "?secrets=yes", `?secrets=encrypted&passphrase=${PASSPHRASE}`]) {
    assert.equal((await admin.call("GET", `/config/export${query}`)).status, 400, query);
  }
});

Deno.test("POST /api/config/import opens encrypted secrets with their passphrase only, or leaves them aside", async () => {
  await using one = await startAdmin();
  await using other = await startAdmin();
  await filled(one);
  const { document } = await exported(one, "?secrets=encrypted", { "x-llmio-passphrase": PASSPHRASE });
  const without = await imported(other, document);
  assert.equal(without.status, 400);
  assert.match(without.message, /x-llmio-passphrase.*"secrets" the value "none"/);
  const wrong = await imported(other, document, "", { "x-llmio-passphrase": `${PASSPHRASE}!` });
  assert.equal(wrong.status, 422);
  assert.equal((await other.store.providers.list({})).length, 0);
  const aside = await imported(other, document, "?secrets=none");
  assert.deepEqual(aside.data.providers_without_keys, ["Acme West", "Pool"]);
});

Deno.test("an import without secrets keeps the keys of providers that exist and names the new ones without", async () => {
  await using one = await startAdmin();
  await using other = await startAdmin();
  await filled(one);
  await seed(other);
  const own = JSON.stringify({ base_url: "https://own.example/v1", api_key: "sk-own-canary-5555" });
  await other.call("PUT", "/providers/1", { config: own, proxy: "http://me:own-pass@p.example:1" });
  const { document } = await exported(one);
  const { data, status } = await imported(other, document, "?mode=update");
  assert.equal(status, 200);
  assert.deepEqual(data.providers_without_keys, ["Pool"]);
  assert.match(data.message, /without keys: Pool/);
  assert.ok(data.notes.some((note: string) => note.includes("Authorization")));
  const [pool, acme] = await other.store.providers.list({});
  assert.deepEqual(JSON.parse(acme?.config ?? ""), {
    base_url: "https://llm.example/v1",
    api_key: "sk-own-canary-5555",
  });
  assert.equal(acme?.proxy, "http://me:own-pass@p.example:1");
  assert.deepEqual(JSON.parse(pool?.config ?? ""), { base_url: "https://h.example/v1", note: "kept" });
  assert.doesNotMatch(JSON.stringify(await other.store.routing()), /\*{4}/);
});

/** What llmio enhanced makes of one provider, two models and their associations. */
function enhancedExport() {
  const head = {
    CreatedAt: "2025-10-03T10:00:00+08:00",
    UpdatedAt: "2025-10-03T10:00:00+08:00",
    DeletedAt: null,
  };
  const config =
    '{"base_url": "https://old.example/v1", "api_key":"***REDACTED***","original_api_key": "sk-real-1"}';
  const flags = { ToolCall: true, StructuredOutput: null, Image: false, Weight: 2 };
  return {
    exported_at: "2025-10-04T10:00:00+08:00",
    version: "1.0",
    providers: [
      { ID: 4, ...head, Name: "Old", Type: "openai", Config: config, Console: "" },
      {
        ID: 5,
        ...head,
        Name: "Lost",
        Type: "openai",
        Config: config.replace(/,"original.*/, "}"),
        Console: "",
      },
    ],
    models: [{ ID: 9, ...head, Name: "gpt-4o", Remark: "", MaxRetry: 0, TimeOut: 60 }],
    model_providers: [
      { ID: 1, ...head, ModelID: 9, ProviderID: 4, ProviderModel: "up", ...flags },
      { ID: 2, ...head, ModelID: 8, ProviderID: 4, ProviderModel: "orphan", ...flags },
    ],
  };
}

Deno.test("an export of llmio enhanced brings its real keys, and its redaction mark never becomes one", async () => {
  await using admin = await startAdmin();
  const { data, status, text } = await imported(admin, enhancedExport());
  assert.equal(status, 200, text);
  assert.deepEqual([data.imported_count, data.providers_without_keys], [4, ["Lost"]]);
  assert.equal(data.associations.skipped, 1);
  const { providers, associations } = await admin.store.routing();
  assert.deepEqual(providers.map(({ config }) => JSON.parse(config)).reverse(), [
    { base_url: "https://old.example/v1", api_key: "sk-real-1" },
    { base_url: "https://old.example/v1" },
  ]);
  assert.deepEqual(
    associations.map((
      { providerModel, structuredOutput, weight },
    ) => [providerModel, structuredOutput, weight]),
    [["up", false, 2]],
  );
});

Deno.test("mode skip keeps rows that exist and ties new associations to them", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/models", { name: "gpt-4o", remark: "mine", max_retry: 7 });
  const { data } = await imported(admin, enhancedExport());
  assert.deepEqual(data.models, { created: 0, updated: 0, skipped: 1 });
  const { models, associations } = await admin.store.routing();
  assert.deepEqual(models.map(({ remark, maxRetry }) => [remark, maxRetry]), [["mine", 7]]);
  assert.deepEqual(associations.map(({ modelId }) => modelId), [1]);
});

Deno.test("mode update replaces the fields of rows that exist", async () => {
  await using admin = await startAdmin();
  await admin.call("POST", "/models", { name: "gpt-4o", remark: "mine", max_retry: 7 });
  const document = enhancedExport();
  await imported(admin, document, "?mode=update");
  const { data } = await imported(admin, {
    ...document,
    model_providers: document.model_providers.map((row) => ({ ...row, Weight: 9 })),
  }, "?mode=update");
  assert.deepEqual(data.associations, { created: 0, updated: 1, skipped: 1 });
  const { models, associations } = await admin.store.routing();
  assert.deepEqual(models.map(({ remark, maxRetry }) => [remark, maxRetry]), [["", 1]]);
  assert.deepEqual(associations.map(({ weight }) => weight), [9]);
});

Deno.test("an import is all or nothing, and names every row that stands in its way", async () => {
  await using admin = await startAdmin();
  const document = enhancedExport();
  const { status, message } = await imported(admin, {
    ...document,
    providers: [...document.providers, { ID: 6, Name: "Odd", Type: "azure", Config: "{}" }, {
      ID: 7,
      Type: "openai",
    }],
    models: [...document.models, { ID: 3, Name: "m", MaxRetry: "many" }],
  });
  assert.equal(status, 400);
  assert.match(
    message,
    /Nothing was imported.*providers\[2\] \(Odd\): type.*providers\[3\]: name.*models\[1\] \(m\): max_retry/,
  );
  const rows = await admin.store.routing();
  assert.deepEqual([rows.providers, rows.models, rows.associations], [[], [], []]);
});

Deno.test("POST /api/config/import refuses what is no export", async () => {
  await using admin = await startAdmin();
  const cases = [{}, { providers: {} }, { providers: [1] }, { configs: [] }, {
    models: [],
    sealed_secrets: {},
  }];
  for (const body of cases) {
    assert.equal((await imported(admin, body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await imported(admin, enhancedExport(), "?mode=merge")).status, 400);
  const reserved = { models: [], configs: [{ key: "export", value: "x" }] };
  assert.equal((await imported(admin, reserved)).status, 400);
});

Deno.test("auth keys come along with their hashes only, and never get more rights than they had", async () => {
  await using one = await startAdmin();
  await using other = await startAdmin();
  await filled(one);
  const { document } = await exported(one);
  const masked = await imported(other, document);
  assert.deepEqual(masked.data.auth_keys, { created: 0, updated: 0, skipped: 2 });
  assert.match(masked.data.notes.join(), /auth key team-a did not come along/);
  const { document: plain } = await exported(one, "?secrets=plain");
  const lone = await imported(other, {
    ...plain,
    providers: [],
    auth_keys: [...plain.auth_keys, plain.auth_keys[0]],
  });
  assert.deepEqual(lone.data.auth_keys, { created: 1, updated: 0, skipped: 2 });
  assert.match(lone.data.notes.join(), /auth key team-b was skipped: its providers are unknown/);
  const [key] = await other.store.authKeys.list();
  const [original] = await one.store.authKeys.list();
  assert.deepEqual([key?.name, key?.hash, key?.mask], ["team-a", original?.hash, original?.mask]);
});

Deno.test("rows that were deleted where they come from stay deleted", async () => {
  await using admin = await startAdmin();
  const { models } = enhancedExport();
  const { data } = await imported(admin, {
    models: models.map((row) => ({ ...row, DeletedAt: "2025-10-04T10:00:00Z" })),
  });
  assert.deepEqual([data.imported_count, (await admin.store.models.list()).length], [0, 0]);
});

Deno.test("a token that may only read exports no secrets, and imports nothing", async () => {
  await using admin = await startAdmin({ now: () => Date.UTC(2026, 4, 20) });
  await seed(admin);
  const { data } = await admin.call("POST", "/admin-tokens", { name: "reader", scope: "read" });
  const headers = { authorization: `Bearer ${data.Token}`, "x-llmio-passphrase": PASSPHRASE };
  const get = (query: string) => admin.send(`/api/config/export${query}`, { headers });
  assert.equal((await get("")).status, 200);
  for (const query of ["?secrets=plain", "?secrets=encrypted"]) {
    const answer = await get(query);
    assert.deepEqual([answer.status, answer.text.includes(KEY)], [403, false]);
  }
  const init = { method: "POST", headers, body: JSON.stringify(enhancedExport()) };
  assert.equal((await admin.send("/api/config/import", init)).status, 403);
});
