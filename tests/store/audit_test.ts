/** Rules of the audit log's repository. @module */
import { deepEqual, equal } from "node:assert/strict";
import type { AuditEntry, AuditFilter } from "../../src/store/audit.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW_MS, withStore } from "./fixtures.ts";

function entry(fields: Partial<AuditEntry> = {}): AuditEntry {
  return {
    atMs: NOW_MS,
    actor: "admin",
    remoteIp: "192.0.2.7",
    action: "provider.update",
    resource: "provider",
    resourceId: "1",
    resourceName: "acme",
    changes: { Name: ["a", "b"], Weight: [null, 1] },
    ...fields,
  };
}

async function ids(store: Store, filter: AuditFilter, page = { page: 1, pageSize: 100 }): Promise<number[]> {
  return (await store.audit.page(filter, page)).rows.map(({ id }) => id);
}

Deno.test("audit.page() answers what audit.add() has stored, newest first", async () => {
  await withStore({}, async (store) => {
    await store.audit.add(entry());
    await store.audit.add(entry({ changes: {}, resourceName: "é" }));
    deepEqual(await store.audit.page({}, { page: 1, pageSize: 1 }), {
      rows: [{ id: 2, ...entry({ changes: {}, resourceName: "é" }) }],
      total: 2,
    });
    deepEqual(await store.audit.page({}, { page: 2, pageSize: 1 }), {
      rows: [{ id: 1, ...entry() }],
      total: 2,
    });
  });
});

Deno.test("audit.page() filters by each field and by all together", async () => {
  await withStore({}, async (store) => {
    await store.audit.add(entry());
    await store.audit.add(entry({ actor: "ci", action: "model.create", resource: "model", resourceId: "7" }));
    await store.audit.add(entry({ atMs: NOW_MS + 10, resourceId: "2" }));
    deepEqual(await ids(store, { actor: "ci" }), [2]);
    deepEqual(await ids(store, { action: "provider.update" }), [3, 1]);
    deepEqual(await ids(store, { resource: "model" }), [2]);
    deepEqual(await ids(store, { resource: "provider", resourceId: "2" }), [3]);
    deepEqual(await ids(store, { fromMs: NOW_MS + 10 }), [3]);
    deepEqual(await ids(store, { toMs: NOW_MS + 10 }), [2, 1]);
    deepEqual(await ids(store, { actor: "ci", resource: "provider" }), []);
  });
});

Deno.test("audit.page() moves the page by beforeId and leaves the total as it is", async () => {
  await withStore({}, async (store) => {
    for (let n = 0; n < 4; n++) await store.audit.add(entry());
    const { rows, total } = await store.audit.page({ actor: "admin", beforeId: 4 }, { page: 1, pageSize: 2 });
    deepEqual([rows.map(({ id }) => id), total], [[3, 2], 4]);
  });
});

Deno.test("audit.prune() lets old rows and rows beyond the limit go, in small steps", async () => {
  await withStore({}, async (store) => {
    for (let n = 0; n < 10; n++) await store.audit.add(entry({ atMs: NOW_MS + n }));
    const retention = { beforeMs: NOW_MS + 3, keep: 5, limit: 2 };
    equal(await store.audit.prune(retention), 2);
    deepEqual(await ids(store, {}), [10, 9, 8, 7, 6, 5, 4, 3]);
    equal(await store.audit.prune(retention), 2);
    equal(await store.audit.prune(retention), 1);
    equal(await store.audit.prune(retention), 0);
    deepEqual(await ids(store, {}), [10, 9, 8, 7, 6]);
  });
});
