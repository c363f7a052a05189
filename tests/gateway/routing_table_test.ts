import assert from "node:assert/strict";
import { buildRoutingTable } from "../../src/gateway/routing_table.ts";
import type { Association } from "../../src/store/associations.ts";
import type { Model } from "../../src/store/models.ts";
import type { Provider } from "../../src/store/providers.ts";

const times = { createdAt: "2026-05-20T12:00:00+08:00", updatedAt: "2026-05-20T12:00:00+08:00" };
const provider = (id: number, given: Partial<Provider> = {}): Provider => ({
  id,
  name: `p${id}`,
  type: "openai",
  config: '{"base_url":"http://127.0.0.1:8000/v1","api_key":"sk-one"}',
  console: "",
  proxy: "",
  errorMatcher: "",
  enabled: true,
  ...times,
  ...given,
});
const model = (id: number, given: Partial<Model> = {}): Model => ({
  id,
  name: `m${id}`,
  remark: "",
  maxRetry: 10,
  timeOutSeconds: 60,
  firstTokenTimeoutSeconds: 0,
  strategy: "lottery",
  breaker: false,
  displayOrder: id,
  ...times,
  ...given,
});
const association = (id: number, given: Partial<Association> = {}): Association => ({
  id,
  modelId: 1,
  providerId: 1,
  providerModel: "pm",
  toolCall: true,
  structuredOutput: true,
  image: true,
  withHeader: null,
  status: true,
  customerHeaders: null,
  extraBody: null,
  weight: 1,
  inputPrice: null,
  cacheReadPrice: null,
  outputPrice: null,
  currency: "",
  ...times,
  ...given,
});
const table = (given: { providers?: Provider[]; models?: Model[]; associations?: Association[] }) =>
  buildRoutingTable({
    providers: [provider(1)],
    models: [model(1)],
    associations: [association(1)],
    ...given,
  });

Deno.test("buildRoutingTable() leaves rows that cannot be used out and says why; the others work", () => {
  const built = table({
    providers: [provider(1), provider(2, { config: "{" }), provider(3, { type: "unknown" })],
    associations: [
      association(1),
      association(2, { providerId: 2 }),
      association(3, { providerId: 3 }),
      association(4, { providerId: 99 }),
    ],
  });
  assert.deepEqual(built.model("m1")?.routes.map((route) => route.associationId), [1]);
  assert.deepEqual(built.problems.map((problem) => problem.providerId), [2, 3]);
});

Deno.test("buildRoutingTable() reads NULL as old programs meant it: status on, capabilities off", () => {
  const [route] = table({
    associations: [association(1, { status: null, toolCall: null, structuredOutput: null, image: null })],
  }).model("m1")?.routes ?? [];
  assert.deepEqual([route?.enabled, route?.tools, route?.structuredOutput, route?.image], [
    true,
    false,
    false,
    false,
  ]);
});

Deno.test("buildRoutingTable() switches a route off when its association or its provider is", () => {
  const off = [
    table({ associations: [association(1, { status: false })] }),
    table({ providers: [provider(1, { enabled: false })] }),
  ];
  for (const built of off) assert.equal(built.model("m1")?.routes[0]?.enabled, false);
});

Deno.test("buildRoutingTable() lets the older of two models of one name count", () => {
  assert.equal(table({ models: [model(5, { name: "m" }), model(2, { name: "m" })] }).model("m")?.id, 2);
});

Deno.test("buildRoutingTable() gives every key of a pool its own state and its secret", () => {
  const config = '{"base_url":"http://127.0.0.1:8000","api_keys":["sk-one","sk-two"]}';
  const built = table({ providers: [provider(1, { config })] });
  const keys = built.model("m1")?.routes[0]?.keys ?? [];
  assert.equal(new Set(keys.map((key) => key.id)).size, 2);
  assert.deepEqual(keys.map((key) => built.target(1)?.secretOf(key.id)), ["sk-one", "sk-two"]);
  const keyless = table({ providers: [provider(1, { config: '{"base_url":"http://127.0.0.1:8000"}' })] });
  assert.equal(keyless.model("m1")?.routes[0]?.keys.length, 1);
});

Deno.test("buildRoutingTable() reads error rules by line, semicolon and full-width semicolon", () => {
  const built = table({
    providers: [provider(1, { errorMatcher: '"status":"439";\nAPI Token has expired；余额不足\r\n ; ' })],
  });
  assert.deepEqual(built.target(1)?.errorMatcher, ['"status":"439"', "api token has expired", "余额不足"]);
});

Deno.test("buildRoutingTable() reads a time-out of 0 as none and grants at least one attempt", () => {
  const built = table({ models: [model(1, { timeOutSeconds: 0, maxRetry: 0 })] }).model("m1");
  assert.deepEqual([built?.timeOutMs, built?.maxAttempts], [Infinity, 1]);
});

Deno.test("buildRoutingTable() takes priority, overrides, aliases and fake streams from the provider", () => {
  const built = table({
    providers: [provider(1, {
      priority: 4,
      parameterOverrides: { a: [1], "b.c": null },
      modelAliases: { pm: "real" },
      fakeStream: true,
    })],
  });
  const model = built.model("m1");
  assert.deepEqual([model?.routes[0]?.priority, model?.routes[0]?.providerModel, model?.fakesStreams], [
    4,
    "real",
    true,
  ]);
  const target = built.target(1);
  assert.deepEqual([target?.providerModel, target?.overrides, target?.fakeStream], [
    "real",
    [["a", "[1]"], ["b.c", "null"]],
    true,
  ]);
});

Deno.test("buildRoutingTable() reads rows without these features as they always were", () => {
  const model = table({}).model("m1");
  assert.deepEqual([model?.routes[0]?.priority, model?.routes[0]?.providerModel, model?.fakesStreams], [
    0,
    "pm",
    false,
  ]);
  assert.deepEqual(table({}).target(1)?.overrides, []);
});
