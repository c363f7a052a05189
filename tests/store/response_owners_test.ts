import { deepEqual, equal } from "node:assert/strict";
import type { StoredResponseOwner } from "../../src/store/response_owners.ts";
import { inFolder, NOW_MS, withStore } from "./fixtures.ts";

function owner(fields: Partial<StoredResponseOwner> = {}): StoredResponseOwner {
  return {
    responseId: "resp_1",
    providerId: 3,
    associationId: 4,
    keyId: "0123456789abcdef",
    model: "gpt-5",
    authKeyId: 0,
    metered: false,
    madeAtMs: NOW_MS,
    ...fields,
  };
}

Deno.test("responseOwners.find() answers what responseOwners.save() was given last, in another run too", () =>
  inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    const unusual = owner({ responseId: "resp_'\"%_é", model: "模型", metered: true });
    await withStore({ path }, async (store) => {
      equal(await store.responseOwners.find("resp_1"), null);
      await store.responseOwners.save([owner(), unusual]);
      await store.responseOwners.save([owner({ metered: true })]);
    });
    await withStore({ path }, async (store) => {
      deepEqual(await store.responseOwners.find("resp_1"), owner({ metered: true }));
      deepEqual(await store.responseOwners.find(unusual.responseId), unusual);
    });
  }));

Deno.test("responseOwners.prune() removes the oldest, in steps, and leaves what is younger", () =>
  withStore({}, async (store) => {
    const rows = Array.from({ length: 5 }, (_, i) => owner({ responseId: `r${i}`, madeAtMs: NOW_MS + i }));
    await store.responseOwners.save(rows);
    equal(await store.responseOwners.prune(NOW_MS + 3, 2), 2);
    equal(await store.responseOwners.find("r1"), null);
    deepEqual(await store.responseOwners.find("r2"), rows[2]);
    equal(await store.responseOwners.prune(NOW_MS + 3, 2), 1);
    equal(await store.responseOwners.prune(NOW_MS + 3, 2), 0);
    deepEqual(await store.responseOwners.find("r3"), rows[3]);
  }));
