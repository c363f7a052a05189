/** Rules of writing many changes at once. @module */
import assert from "node:assert/strict";
import { openStore } from "../../src/store/open.ts";
import type { Batch } from "../../src/store/batch.ts";
import { MissingReference, NameTaken } from "../../src/store/store.ts";

const NOTHING: Batch = {
  providers: [],
  models: [],
  associations: [],
  authKeys: [],
  configs: [],
  healthConfig: null,
};
const PROVIDER = { name: "p", type: "openai", config: "{}", console: "", proxy: "", errorMatcher: "" };
const MODEL = {
  name: "m",
  remark: "",
  maxRetry: 3,
  timeOutSeconds: 60,
  firstTokenTimeoutSeconds: 0,
  strategy: "lottery",
  breaker: false,
};
const ASSOCIATION = {
  providerModel: "up",
  toolCall: true,
  structuredOutput: false,
  image: false,
  withHeader: false,
  customerHeaders: {},
  extraBody: {},
  weight: 1,
  inputPrice: 0,
  cacheReadPrice: 0,
  outputPrice: 0,
  currency: "USD",
};

async function withStore(
  work: (store: Awaited<ReturnType<typeof openStore>>) => Promise<void>,
): Promise<void> {
  const store = await openStore({ path: ":memory:", timeZone: "UTC" });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

Deno.test("apply() writes rows that refer to one another, and answers their ids", () =>
  withStore(async (store) => {
    const result = await store.apply({
      ...NOTHING,
      providers: [{ id: null, fields: PROVIDER, enabled: false }],
      models: [{ id: null, fields: MODEL, displayOrder: 9 }],
      associations: [{
        id: null,
        model: { write: 0 },
        provider: { write: 0 },
        fields: ASSOCIATION,
        enabled: false,
      }],
      configs: [{ key: "k", value: "v" }],
    });
    assert.deepEqual(result, { providers: [1], models: [1], associations: [1] });
    const { providers, models, associations } = await store.routing();
    assert.deepEqual([providers[0]?.name, providers[0]?.enabled], ["p", false]);
    assert.deepEqual([models[0]?.name, models[0]?.displayOrder], ["m", 9]);
    const [association] = associations;
    assert.deepEqual([association?.modelId, association?.providerId, association?.status], [1, 1, false]);
    assert.deepEqual((await store.configs.list()).at(-1), { key: "k", value: "v" });
  }));

Deno.test("apply() replaces rows that it is given the ids of", () =>
  withStore(async (store) => {
    const { id } = await store.providers.create(PROVIDER);
    await store.apply({
      ...NOTHING,
      providers: [{ id, fields: { ...PROVIDER, name: "renamed" }, enabled: false }],
    });
    const row = await store.providers.get(id);
    assert.deepEqual([row?.name, row?.enabled], ["renamed", false]);
  }));

Deno.test("apply() writes nothing at all when one of the changes cannot be made", () =>
  withStore(async (store) => {
    await store.models.create(MODEL);
    const providers = [{ id: null, fields: PROVIDER, enabled: true }];
    const broken: [Partial<Batch>, typeof NameTaken | typeof MissingReference][] = [
      [{ models: [{ id: null, fields: MODEL, displayOrder: null }] }, NameTaken],
      [{ models: [{ id: 77, fields: MODEL, displayOrder: null }] }, MissingReference],
      [{
        associations: [{
          id: null,
          model: { id: 77 },
          provider: { write: 0 },
          fields: ASSOCIATION,
          enabled: true,
        }],
      }, MissingReference],
      [{
        associations: [{
          id: null,
          model: { write: 0 },
          provider: { write: 0 },
          fields: ASSOCIATION,
          enabled: true,
        }],
      }, MissingReference],
    ];
    for (const [part, error] of broken) {
      await assert.rejects(
        store.apply({ ...NOTHING, providers, configs: [{ key: "k", value: "v" }], ...part }),
        error,
      );
    }
    const rows = await store.routing();
    assert.deepEqual([rows.providers.length, rows.models.length, rows.associations.length], [0, 1, 0]);
    assert.equal(await store.configs.get("k"), null);
  }));
