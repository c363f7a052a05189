import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Store } from "../../src/store/store.ts";
import { MissingReference } from "../../src/store/store.ts";
import { association, inFolder, model, provider, sql, withStore } from "./fixtures.ts";

function withOne(path: string, test: (store: Store) => Promise<void>): Promise<void> {
  return withStore({ path }, async (store) => {
    await store.providers.create(provider());
    await store.models.create(model());
    await store.associations.create(association({ modelId: 1, providerId: 1 }));
    await test(store);
  });
}

function refersTo(field: string, id: number): (error: unknown) => boolean {
  return (error) => error instanceof MissingReference && error.field === field && error.id === id;
}

Deno.test("associations.create() answers the row, switched on", () =>
  withOne(":memory:", async (store) => {
    const fields = association({ modelId: 1, providerId: 1, extraBody: {}, customerHeaders: {} });
    const created = await store.associations.create(fields);
    deepEqual(created, {
      ...fields,
      id: 2,
      status: true,
      createdAt: "2026-05-20T12:00:00.06Z",
      updatedAt: "2026-05-20T12:00:00.06Z",
    });
    deepEqual((await store.associations.ofModel(1)).map(({ id }) => id), [1, 2]);
    deepEqual(await store.associations.ofModel(2), []);
  }));

Deno.test("an association refers to a live model and a live provider", () =>
  withOne(":memory:", async (store) => {
    const { associations } = store;
    await rejects(associations.create(association({ modelId: 9, providerId: 1 })), refersTo("model_id", 9));
    await rejects(
      associations.create(association({ modelId: 1, providerId: 9 })),
      refersTo("provider_id", 9),
    );
    await rejects(associations.update(1, { providerId: 9 }), refersTo("provider_id", 9));
    equal((await associations.get(1))?.providerId, 1);
  }));

Deno.test("associations.update() changes what is given and leaves the rest, NULL included", () =>
  inFolder((folder) => {
    const path = `${folder}/llmio.db`;
    return withOne(path, async (store) => {
      sql(
        path,
        (database) =>
          database.exec(
            "UPDATE model_with_providers SET image = NULL, output_price = NULL, extra_body = NULL",
          ),
      );
      const before = await store.associations.get(1);
      const patch = { weight: 0, toolCall: false, customerHeaders: {}, inputPrice: 0 };
      deepEqual(await store.associations.update(1, patch), { ...before, ...patch });
      deepEqual(await store.associations.update(1, {}), { ...before, ...patch });
      equal(await store.associations.update(99, patch), null);
    });
  }));

Deno.test("associations.setEnabled() and remove() act on live rows only", () =>
  withOne(":memory:", async (store) => {
    equal((await store.associations.setEnabled(1, false))?.status, false);
    equal((await store.associations.ofModel(1)).length, 1, "a disabled one is listed");
    equal(await store.associations.remove(1), true);
    equal(await store.associations.remove(1), false);
    equal(await store.associations.setEnabled(1, true), null);
    equal(await store.associations.get(1), null);
  }));
