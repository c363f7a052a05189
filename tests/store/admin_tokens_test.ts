/** Rules of the admin tokens' repository. @module */
import { deepEqual, equal, rejects } from "node:assert/strict";
import type { AdminTokenFields } from "../../src/store/admin_tokens.ts";
import { NameTaken } from "../../src/store/store.ts";
import { inFolder, NOW_MS, sql, withStore } from "./fixtures.ts";

function fields(name: string, more: Partial<AdminTokenFields> = {}): AdminTokenFields {
  return { name, hash: `hash of ${name}`, mask: "****abcd", scope: "read", expiresAtMs: null, ...more };
}

Deno.test("adminTokens.create() stores a token, and list() and get() read it", async () => {
  await withStore({}, async (store) => {
    const first = await store.adminTokens.create(fields("first"));
    const second = await store.adminTokens.create(
      fields("second", { scope: "write", expiresAtMs: NOW_MS + 5 }),
    );
    deepEqual(first, { id: 1, ...fields("first"), createdAtMs: NOW_MS, lastUsedAtMs: null });
    deepEqual(await store.adminTokens.list(), [second, first]);
    deepEqual(await store.adminTokens.get(2), second);
    equal(second.expiresAtMs, NOW_MS + 5);
    equal(await store.adminTokens.get(3), null);
  });
});

Deno.test("adminTokens.create() and update() refuse a name that another token has", async () => {
  await withStore({}, async (store) => {
    await store.adminTokens.create(fields("first"));
    await store.adminTokens.create(fields("second"));
    await rejects(store.adminTokens.create(fields("first", { hash: "other" })), NameTaken);
    await rejects(store.adminTokens.update(2, fields("first")), NameTaken);
    equal((await store.adminTokens.update(2, fields("second", { scope: "write" })))?.scope, "write");
    equal((await store.adminTokens.list()).length, 2);
  });
});

Deno.test("adminTokens.update() keeps what is no part of the change, and answers null for nobody", async () => {
  await withStore({}, async (store) => {
    const created = await store.adminTokens.create(fields("first"));
    await store.adminTokens.used(1, NOW_MS + 7);
    deepEqual(await store.adminTokens.update(1, { name: "new", scope: "write", expiresAtMs: NOW_MS + 9 }), {
      ...created,
      name: "new",
      scope: "write",
      expiresAtMs: NOW_MS + 9,
      lastUsedAtMs: NOW_MS + 7,
    });
    equal(await store.adminTokens.update(2, fields("x")), null);
  });
});

Deno.test("adminTokens.remove() removes for good, and the id is not given again", async () => {
  await withStore({}, async (store) => {
    await store.adminTokens.create(fields("first"));
    equal(await store.adminTokens.remove(1), true);
    equal(await store.adminTokens.remove(1), false);
    equal((await store.adminTokens.create(fields("first"))).id, 2);
  });
});

Deno.test("adminTokens keep the hash and never a token", async () => {
  await inFolder(async (folder) => {
    const path = `${folder}/llmio.db`;
    await withStore({ path }, async (store) => {
      await store.adminTokens.create(fields("first"));
    });
    const [row] = sql(path, (database) => database.prepare("SELECT * FROM admin_tokens").all());
    deepEqual({ ...row }, {
      id: 1,
      name: "first",
      hash: "hash of first",
      mask: "****abcd",
      scope: "read",
      created_at_ms: NOW_MS,
      expires_at_ms: null,
      last_used_at_ms: null,
    });
  });
});
