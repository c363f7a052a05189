import { deepEqual, equal, rejects } from "node:assert/strict";
import { NameTaken, type Store } from "../../src/store/store.ts";
import { association, inFolder, model, provider, sql, withStore } from "./fixtures.ts";

async function createModels(store: Store, ...names: string[]): Promise<void> {
  for (const name of names) await store.models.create(model({ name }));
}

Deno.test("models.create() shows the new model first", () =>
  withStore({}, async (store) => {
    await createModels(store, "a", "b");
    const fields = model({ name: "c", breaker: true, strategy: "rotor", timeOutSeconds: 0 });
    const created = await store.models.create(fields);
    deepEqual(created, {
      ...fields,
      id: 3,
      displayOrder: 3,
      createdAt: "2026-05-20T12:00:00.06Z",
      updatedAt: "2026-05-20T12:00:00.06Z",
    });
    deepEqual(await store.models.get(3), created);
    deepEqual((await store.models.list()).map(({ name }) => name), ["c", "b", "a"]);
  }));

Deno.test("models.update() replaces every field but the display order, and keeps names unique", () =>
  withStore({}, async (store) => {
    await createModels(store, "a", "b");
    const updated = await store.models.update(1, model({ name: "a2", remark: "", maxRetry: 0 }));
    deepEqual([updated?.name, updated?.maxRetry, updated?.displayOrder], ["a2", 0, 1]);
    await rejects(store.models.update(1, model({ name: "b" })), NameTaken);
    await rejects(store.models.create(model({ name: "b" })), NameTaken);
    equal(await store.models.update(99, model({ name: "b" })), null);
  }));

Deno.test("models.page() says the real total, also past the end", () =>
  withStore({}, async (store) => {
    await createModels(store, "a", "b", "c");
    const names = async (page: number) => {
      const { rows, total } = await store.models.page({}, { page, pageSize: 2 });
      return [rows.map(({ name }) => name), total];
    };
    deepEqual(await names(1), [["c", "b"], 3]);
    deepEqual(await names(2), [["a"], 3]);
    deepEqual(await names(9), [[], 3]);
  }));

Deno.test("models.page() filters by part of the name and by strategy, and a row without one has the default", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await createModels(store, "gpt_4", "gpt-4", "claude");
      await store.models.update(3, model({ name: "claude", strategy: "rotor" }));
      sql(path, (database) => database.exec("UPDATE models SET strategy = NULL WHERE id = 1"));
      const ids = async (filter: { search?: string; strategy?: string }) =>
        (await store.models.page(filter, { page: 1, pageSize: 20 })).rows.map(({ id }) => id);
      deepEqual(await ids({ search: "GPT" }), [2, 1]);
      deepEqual(await ids({ search: "_" }), [1]);
      deepEqual(await ids({ strategy: "lottery" }), [2, 1]);
      deepEqual(await ids({ strategy: "rotor" }), [3]);
      deepEqual(await ids({ search: "gpt", strategy: "rotor" }), []);
    });
  }));

Deno.test("models.reorder() numbers the given models and leaves the others alone", () =>
  withStore({}, async (store) => {
    await createModels(store, "a", "b", "c", "d");
    deepEqual(await store.models.reorder([3, 1, 2]), { updated: 3, missing: [] });
    const order = (await store.models.list()).map(({ id, displayOrder }) => [id, displayOrder]);
    deepEqual(order, [[4, 4], [3, 3], [2, 1], [1, 2]]);
  }));

Deno.test("models.reorder() changes nothing when a model is missing", () =>
  withStore({}, async (store) => {
    await createModels(store, "a", "b");
    await store.models.remove([1]);
    deepEqual(await store.models.reorder([2, 1, 99]), { updated: 0, missing: [1, 99] });
    equal((await store.models.get(2))?.displayOrder, 2);
  }));

Deno.test("models.remove() takes the associations along", () =>
  withStore({}, async (store) => {
    await createModels(store, "a", "b");
    const { id: providerId } = await store.providers.create(provider());
    for (const modelId of [1, 2]) await store.associations.create(association({ modelId, providerId }));
    deepEqual(await store.models.remove([2, 3]), [2]);
    deepEqual((await store.routing()).associations.map(({ modelId }) => modelId), [1]);
    equal(await store.models.get(2), null);
  }));
