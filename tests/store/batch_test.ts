/** Rules of writing many changes at once. @module */
import assert from "node:assert/strict";
import type { Batch } from "../../src/store/batch.ts";
import { MissingReference, NameTaken } from "../../src/store/store.ts";
import { association, model, provider, withStore } from "./fixtures.ts";

const NOTHING: Batch = {
  providers: [],
  models: [],
  associations: [],
  authKeys: [],
  configs: [],
  healthConfig: null,
};
const PROVIDER = provider({ name: "p" });
const MODEL = model({ name: "m" });
const { modelId: _model, providerId: _provider, ...ASSOCIATION } = association({ modelId: 0, providerId: 0 });

Deno.test("apply() writes rows that refer to one another, and answers their ids", () =>
  withStore({}, async (store) => {
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
    const [row] = associations;
    assert.deepEqual([row?.modelId, row?.providerId, row?.status], [1, 1, false]);
    assert.deepEqual((await store.configs.list()).at(-1), { key: "k", value: "v" });
  }));

Deno.test("apply() replaces rows that it is given the ids of", () =>
  withStore({}, async (store) => {
    const { id } = await store.providers.create(PROVIDER);
    await store.apply({
      ...NOTHING,
      providers: [{ id, fields: { ...PROVIDER, name: "renamed" }, enabled: false }],
    });
    const row = await store.providers.get(id);
    assert.deepEqual([row?.name, row?.enabled], ["renamed", false]);
  }));

Deno.test("apply() writes nothing at all when one of the changes cannot be made", () =>
  withStore({}, async (store) => {
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
