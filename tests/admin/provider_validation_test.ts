/** Rules of trying out a provider. @module */
import assert from "node:assert/strict";
import type { Provider } from "../../src/store/providers.ts";
import { PROVIDER, startAdmin } from "./harness.ts";

const KEY = "sk-canary-0123456789";
const SENT = { name: "new", type: "openai", config: PROVIDER.config };

/** Lists what it is asked by, so that a test sees the row that was tried. */
function recorder(
  answer: () => Promise<{ id: string; object: string; created: number; owned_by: string }[]>,
) {
  const tried: { provider: Provider; limitMs: number | undefined }[] = [];
  return {
    tried,
    listModels: (provider: Provider, limitMs?: number) => {
      tried.push({ provider, limitMs });
      return answer();
    },
  };
}

const oneModel = () => Promise.resolve([{ id: "a", object: "model", created: 0, owned_by: "" }]);

Deno.test("POST /api/providers/validate asks an unsaved provider, within 10 s, and stores nothing", async () => {
  const { tried, listModels } = recorder(oneModel);
  await using admin = await startAdmin({ listModels });
  const { data } = await admin.call("POST", "/providers/validate", SENT);
  assert.deepEqual([data.valid, data.models], [true, ["a"]]);
  assert.ok(Number.isInteger(data.response_time_ms));
  assert.deepEqual(tried.map(({ provider, limitMs }) => [provider.type, provider.config, limitMs]), [
    ["openai", PROVIDER.config, 10_000],
  ]);
  assert.deepEqual([await admin.store.providers.list({}), admin.reloads()], [[], 0]);
});

Deno.test("POST /api/providers/validate leaves an empty list of models out", async () => {
  await using admin = await startAdmin({ listModels: () => Promise.resolve([]) });
  const { data } = await admin.call("POST", "/providers/validate", SENT);
  assert.deepEqual(Object.keys(data), ["valid", "response_time_ms"]);
});

Deno.test("POST /api/providers/validate takes a mask for the stored key, by id or by name", async () => {
  const { tried, listModels } = recorder(oneModel);
  await using admin = await startAdmin({ listModels });
  const { data: row } = await admin.call("POST", "/providers", PROVIDER);
  const bodies = [
    { id: row.ID },
    { id: row.ID, name: "renamed", type: "openai", config: row.Config },
    { name: PROVIDER.name, type: "openai", config: row.Config, proxy: row.Proxy },
    row,
  ];
  for (const body of bodies) {
    const { data } = await admin.call("POST", "/providers/validate", body);
    assert.equal(data.valid, true, JSON.stringify(data));
  }
  for (const { provider } of tried) assert.equal(JSON.parse(provider.config).api_key, KEY);
  assert.equal(tried.at(-1)?.provider.proxy, PROVIDER.proxy);
});

Deno.test("POST /api/providers/validate says what is wrong, without a secret", async () => {
  await using admin = await startAdmin({
    listModels: ({ config, proxy }) => Promise.reject(new Error(`refused ${config} by ${proxy}`)),
  });
  await admin.call("POST", "/providers", PROVIDER);
  for (const body of [{ id: 1 }, { ...SENT, proxy: PROVIDER.proxy }]) {
    const { status, code, data, text } = await admin.call("POST", "/providers/validate", body);
    assert.deepEqual([status, code, data.valid], [200, 200, false]);
    assert.match(data.error_message, /^Failed to fetch models: refused/);
    assert.doesNotMatch(text, /canary/);
  }
});

Deno.test("POST /api/providers/validate answers a config that cannot be used, without asking anybody", async () => {
  const { tried, listModels } = recorder(oneModel);
  await using admin = await startAdmin({ listModels });
  for (
    const config of ["{", "{}", '{"base_url":"ftp://h"}', '{"base_url":"https://h/v1","api_key":"****6789"}']
  ) {
    const { status, data } = await admin.call("POST", "/providers/validate", { ...SENT, config });
    assert.deepEqual([status, data.valid], [200, false], config);
    assert.ok(data.error_message.length > 0);
  }
  assert.deepEqual(tried, []);
});

Deno.test("POST /api/providers/validate refuses bodies that no provider could be made of", async () => {
  await using admin = await startAdmin();
  const cases = [[{}, 400], [{ type: "openai" }, 400], [{ ...SENT, type: "azure" }, 400], [
    { ...SENT, x: 1 },
    400,
  ], [
    { id: 77 },
    404,
  ], [{ ...SENT, id: "1" }, 400]] as const;
  for (const [body, status] of cases) {
    assert.equal(
      (await admin.call("POST", "/providers/validate", body)).status,
      status,
      JSON.stringify(body),
    );
  }
});
